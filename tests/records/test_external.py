"""Curves from elsewhere: every form that is read, and what is said of those that are not."""

from __future__ import annotations

import json
import math
import statistics

import pytest

from lrfind.analysis.suggest import analyze
from lrfind.errors import RecordError
from lrfind.records.columns import Chosen
from lrfind.records.external import MOST_POINTS, Tool, to_sweep
from lrfind.records.read import only, parse
from lrfind.records.types import StopReason, Sweep

LRS, LOSSES = (1e-3, 1e-2, 1e-1), (2.3, 2.0, 1.5)


def sweep_in(text: str, source: str, tool: Tool | None = None, *, after_update: bool = False) -> Sweep:
    """Return the curve that a text holds."""
    return to_sweep(only(parse(text, source), source), source, tool, after_update=after_update)


ROWS = list(zip(LRS, LOSSES, strict=True))


def table(header: str, delimiter: str, rows: list[tuple[float, float]] = ROWS) -> str:
    return "\n".join([header, *(f"{lr}{delimiter}{loss}" for lr, loss in rows)]) + "\n"


FORMS = {
    "csv": table("lr,loss", ","),
    "other names": table("Learning Rate,train_loss", ","),
    "logger's names": table("lr-Adam,train/loss", ","),
    "tabs": table("lr\tloss", "\t"),
    "semicolons and decimal commas": table("lr;loss", ";").replace(".", ","),
    "blanks": table("lr   loss", "  "),
    "no header": table("", ",").lstrip(),
    "comments and empty lines": "# a sweep\n\n" + table("lr,loss", ",") + "\n\n",
    "carriage returns": table("lr,loss", ",").replace("\n", "\r\n"),
    "quotes": table('"lr","loss"', ","),
    "more columns": "epoch,loss,lr,val_loss\n" + "".join(f"0,{loss},{lr},9\n" for lr, loss in ROWS),
    "rows of their own": "lr,loss\n0.001,\n" + "".join(f"{lr},{loss}\n" for lr, loss in ROWS) + ",3\n",
    "json of lists": json.dumps({"lr": LRS, "loss": LOSSES}),
    "json with more keys": json.dumps({"lrs": LRS, "losses": LOSSES, "tool": "own"}),
    "json of rows": json.dumps([{"lr": lr, "loss": loss} for lr, loss in ROWS]),
    "json of pairs": json.dumps(ROWS),
    "json of words": json.dumps({"lr": [str(lr) for lr in LRS], "loss": LOSSES}),
    "a loss beside that of a validation": "step,train/learning_rate,train/loss,eval/loss\n"
    + "".join(f"{i},{lr},{loss},9\n" for i, (lr, loss) in enumerate(ROWS)),
    "parameter groups": table("lr-AdamW/pg1,train_loss_step", ","),
    "momentum": "lr-SGD,lr-SGD-momentum,loss\n" + "".join(f"{lr},0.9,{loss}\n" for lr, loss in ROWS),
    "export of W&B": '"Step","run-1 - train/lr","run-1 - train/loss","run-1 - train/loss__MIN"\n'
    + "".join(f'"{i}","{lr}","{loss}","1"\n' for i, (lr, loss) in enumerate(ROWS)),
    "history of W&B": ",_step,_runtime,_timestamp,train/loss,train/learning_rate,val/loss\n"
    + "".join(f"{i},{i},1,2,{loss},{lr},9\n" for i, (lr, loss) in enumerate(ROWS)),
    "trainer_state.json": json.dumps(
        {
            "best_metric": None,
            "global_step": 3,
            "log_history": [
                *(
                    {"epoch": 0.1, "grad_norm": 1.0, "learning_rate": lr, "loss": loss, "step": i}
                    for i, (lr, loss) in enumerate(ROWS)
                ),
                {"epoch": 1.0, "eval_loss": 9.0, "step": 3},
                {"epoch": 1.0, "train_loss": 2.0, "train_runtime": 3.0, "step": 3},
            ],
        }
    ),
    "history of Keras": json.dumps({"history": {"loss": LOSSES, "val_loss": [9, 9, 9], "learning_rate": LRS}}),
    "recorder of fastai": json.dumps({"lrs": LRS, "losses": LOSSES, "values": [[2.0, 9.0]]}),
    "printed by a Trainer": "".join(
        f"  5%|x  | {i}/3 [00:00<00:01]{{'loss': '{loss}', 'grad_norm': '1.2', 'learning_rate': '{lr}', 'epoch': 1}}\n"
        for i, (lr, loss) in enumerate(ROWS)
    )
    + "{'eval_loss': 9.0, 'epoch': 1.0}\n{'train_runtime': 2.0, 'train_loss': 1.9}\n",
    "printed dicts": "\n".join(str({"loss": loss, "learning_rate": lr}) for lr, loss in ROWS),
    "printed by Keras": "".join(
        f"Epoch {i}/3\n\r 1/32 [>] - ETA: 1s\r32/32 [==] - 1s 5ms/step - loss: {loss} - val_loss: 9.0 - lr: {lr}\n"
        for i, (lr, loss) in enumerate(ROWS)
    ),
    "printed in words": "".join(f"step {i}: lr {lr} loss {loss} (0.1 s)\n" for i, (lr, loss) in enumerate(ROWS)),
    "printed with names": "".join(f"INFO | Learning Rate = {lr} | Loss = {loss}\n" for lr, loss in ROWS),
    "json lines": "\n".join(json.dumps({"step": i, "lr": lr, "loss": loss}) for i, (lr, loss) in enumerate(ROWS)),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_sweep(text: str) -> None:
    sweep = sweep_in(text, "curve")
    assert (sweep.lrs, sweep.losses) == (LRS, LOSSES)


FAULTS = {
    "empty": ("", "got an empty file"),
    "blank": (" \n \n", "got an empty file"),
    "comments": ("# nothing\n", "comments alone"),
    "broken json": ('{"lr": [1,', "got a fault in it"),
    "deep json": ("[" * 100_000, "got a fault in it"),
    "number": ("7", "got no lr and loss among '7'"),
    "empty list": ("[]", "got other JSON"),
    "list of numbers": ("[1, 2]", "got other JSON"),
    "no loss": (
        "lr,accuracy\n1,2\n",
        "got no loss among 'lr', 'accuracy'; name them with --lr-column and --loss-column",
    ),
    "one metric": (
        "Wall time,Step,Value\n1,0,2.3\n",
        "or the file of the learning rates, if they have their own, with --lr-file",
    ),
    "two losses": (
        "lr,loss/cls,loss/box\n1,2,3\n",
        "expected one column of loss, got 'loss/cls', 'loss/box'; say which with --loss-column",
    ),
    "two runs": (
        "Step,a - lr,a - loss,b - loss\n1,2,3,4\n",
        "got 'a - loss', 'b - loss'; say which with --loss-column",
    ),
    "printed words": ("epoch 1: lr fast, loss low\n", "got 0 of them"),
    "no lr": ('{"loss": [1]}', "got no lr among 'loss'"),
    "no rows": ("lr,loss\n", "got 0 of them"),
    "one row": ("lr,loss\n1,2\n", "got 1 of them"),
    "words": ("lr,loss\n1,2\n2,high\n", "row 2 of the numbers: expected two numbers, got lr='2' and loss='high'"),
    "lengths": ('{"lr": [1, 2], "loss": [1]}', "got 2 of lr and 1 of loss"),
    "one value": ('{"lr": 1, "loss": 2}', "expected a list of numbers each"),
    "nested": ('{"lr": [[1], [2]], "loss": [1, 2]}', "entry 0: expected two numbers"),
    "falling": (table("lr,loss", ",", ROWS[::-1]), "rise from one to the next, got 0.01 after 0.1 as number 2"),
    "equal": ("lr,loss\n1,2\n1,2\n", "got 1 after 1 as number 2"),
    "zero": ("lr,loss\n0,2\n1,2\n", "above 0 that rise from one to the next, got 0 as number 1"),
    "lr of NaN": ("lr,loss\nnan,2\n1,2\n", "got nan as number 1"),
    "lr of infinity": ("lr,loss\n1,2\ninf,2\n", "got inf after 1 as number 2"),
    "lr of null": ('{"lr": [null, 1], "loss": [1, 2]}', "got lr=None and loss=1"),
    "long cell": ("lr,loss\n" + "1" * 200_000 + ",2\n", "a fault in it"),
}


@pytest.mark.parametrize(("text", "words"), FAULTS.values(), ids=FAULTS)
def test_what_is_no_curve_is_said(text: str, words: str) -> None:
    with pytest.raises(RecordError) as raised:
        sweep_in(text, "curve.csv")
    assert str(raised.value).startswith("curve.csv: ")
    assert words in str(raised.value)


@pytest.mark.parametrize("loss", ["nan", "inf", "-inf", "NaN"])
def test_a_loss_that_is_not_finite_ends_the_sweep(loss: str) -> None:
    sweep = sweep_in(f"lr,loss\n1,2\n2,1\n3,{loss}\n4,1\n", "curve")
    assert sweep.lrs == (1, 2, 3)
    assert sweep.stop_reason is StopReason.NON_FINITE
    assert sweep_in('{"lr": [1, 2, 3], "loss": [2, 1, null]}', "curve").stop_reason is StopReason.NON_FINITE


@pytest.mark.parametrize(
    ("last", "reason"), [(1.5, StopReason.COMPLETED), (4.9, StopReason.COMPLETED), (5.1, StopReason.DIVERGED)]
)
def test_a_rise_of_three_descents_is_a_divergence(last: float, reason: StopReason) -> None:
    losses = [2.0] * 8 + [1.0, last]
    assert sweep_in(json.dumps({"lr": list(range(1, 11)), "loss": losses}), "curve").stop_reason is reason


def test_columns_may_be_named() -> None:
    text = "lr/head,lr/body,loss/cls,loss/box\n" + "".join(f"{lr},9,{loss},9\n" for lr, loss in ROWS)
    assert to_sweep(text, "curve", chosen=Chosen("lr/head", "loss/cls")).losses == LOSSES
    rows = [{"x": lr, "y": loss} for lr, loss in ROWS]
    assert to_sweep(rows, "curve", chosen=Chosen("x", "y")).lrs == LRS
    with pytest.raises(
        RecordError, match=r"curve: --lr-column: expected a column of the file, got 'lr/haed'; did you mean"
    ):
        to_sweep(text, "curve", chosen=Chosen("lr/haed", "loss/cls"))


def test_learning_rates_may_have_a_file_of_their_own() -> None:
    losses = "Wall time,Step,Value\n1.5,0,2.3\n1.6,10,2.0\n1.7,20,1.5\n1.8,30,1.4\n"
    rates = "Wall time,Step,Value\n1.5,0,1e-3\n1.6,10,1e-2\n1.7,20,1e-1\n"
    sweep = to_sweep(losses, "loss.csv", rates=rates)
    assert (sweep.lrs, sweep.losses, sweep.updates_per_point) == (LRS, LOSSES, 10)
    panel = '"Step","run - train/lr","run - train/lr__MIN"\n"0","1e-3","1"\n"10","1e-2","1"\n"20","1e-1","1"\n'
    assert to_sweep(losses, "loss.csv", rates=panel) == sweep
    with pytest.raises(RecordError, match="expected a column of steps and one of values, got 'lr', 'loss'"):
        to_sweep("lr,loss\n1,2\n", "loss.csv", rates=rates)


def test_a_loss_after_the_update_stands_beside_the_learning_rate_it_answers_to() -> None:
    sweep = sweep_in(FORMS["csv"], "curve", after_update=True)
    assert list(zip(sweep.lrs, sweep.losses[1:], strict=False)) == ROWS
    assert sweep.lrs[-1] == pytest.approx(1.0)


COUNTED = [(0, 1e-5, 2.0), (50, 1e-4, 1.5), (100, 1e-3, 1.0), (150, 1e-2, 1.2)]


@pytest.mark.parametrize("name", ["step", "global_step", "trainer/global_step", "_step", "Iteration"])
@pytest.mark.parametrize("form", ["table", "objects", "lists"])
def test_a_column_of_steps_tells_the_updates_of_a_point(form: str, name: str) -> None:
    keys = (name, "lr", "loss")
    forms = {
        "table": "\n".join([",".join(keys), *(",".join(map(str, row)) for row in COUNTED)]),
        "objects": json.dumps([dict(zip(keys, row, strict=True)) for row in COUNTED]),
        "lists": json.dumps({key: list(column) for key, column in zip(keys, zip(*COUNTED, strict=True), strict=True)}),
    }
    assert sweep_in(forms[form], "curve").updates_per_point == 50


@pytest.mark.parametrize("steps", [["", "", "", ""], [0, 0, 0, 0], [3, 2, 1, 0], ["a", "b", "c", "d"]])
def test_steps_that_do_not_rise_tell_nothing(steps: list[object]) -> None:
    rows = [{"step": step, "lr": lr, "loss": loss} for step, (_, lr, loss) in zip(steps, COUNTED, strict=True)]
    assert sweep_in(json.dumps(rows), "curve").updates_per_point is None


def test_a_finder_makes_one_update_for_each_point_and_what_is_told_goes_first() -> None:
    content = {"lr": [1e-5, 1e-4, 1e-3], "loss": [2.0, 1.0, 1.5], "step": [0, 10, 20]}
    assert to_sweep(content, "curve", "lightning").updates_per_point == 1
    assert to_sweep(content, "curve").updates_per_point == 10
    assert to_sweep(content, "curve", updates_per_point=7).updates_per_point == 7


def test_long_curves_are_averaged_and_read_the_same() -> None:
    count = 3 * MOST_POINTS
    lrs = [10 ** (-7 + 8 * i / count) for i in range(count)]
    losses = [2.3 - 2 / (1 + (1e-3 / lr)) + 0.05 * math.sin(i * i) + 4 * lr**2 for i, lr in enumerate(lrs)]
    sweep = sweep_in(json.dumps({"lr": lrs, "loss": losses}), "curve")
    assert len(sweep.lrs) == MOST_POINTS
    assert sweep.losses[0] == statistics.fmean(losses[:3])
    assert sweep.updates_per_point == 3
    short = to_sweep({"lr": lrs[::30], "loss": losses[::30]}, "curve", updates_per_point=30)
    assert analyze(sweep).suggested_lr == pytest.approx(analyze(short).suggested_lr, rel=0.2)
