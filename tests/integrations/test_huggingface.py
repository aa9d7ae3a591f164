"""The callback in real trainings of the Trainer of transformers."""

from __future__ import annotations

import logging
import pickle
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import run_example
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

import lrfind
from lrfind.errors import LrfindError, RecordError, UserCodeError
from lrfind.integrations.huggingface import FindLR
from lrfind.schedule.code import code
from lrfind.schedule.kinds import KINDS, set_up
from lrfind.schedule.learning_rates import learning_rates_given
from lrfind.schedule.scheduler import Length

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*pin_memory.*argument is set as true")]
QUICK: dict[str, Any] = {"num_iter": 30, "probe_steps": 10}


@pytest.fixture(autouse=True)
def _telling(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let caplog see what the logger of transformers, which hands nothing on, is told."""
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    yield
    logger.removeHandler(caplog.handler)


def data(samples: int = 96) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, 20, (samples, 6), generator=generator)
    return [{"input_ids": row, "labels": int(row[0] > 10)} for row in tokens]


class Seen(TrainerCallback):
    """Lists the learning rate, and what is logged, at every step."""

    def __init__(self) -> None:
        self.lrs: list[list[float]] = []
        self.logs = 0

    def on_step_begin(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        self.lrs.append([group["lr"] for group in objects["optimizer"].param_groups])

    def on_log(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        self.logs += 1


def make(tmp_path: Path, *callbacks: TrainerCallback, kind: type[Trainer] = Trainer, **options: Any) -> Any:
    """Return a Trainer of a very small BERT, of dropout and all, about to be seeded and trained."""
    own = {name: options.pop(name) for name in ("compute_loss_func", "optimizers", "model") if name in options}
    defaults: dict[str, Any] = {
        "num_train_epochs": 2,
        "per_device_train_batch_size": 8,
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "logging_steps": 1,
    }
    quiet = {"use_cpu": True, "report_to": [], "save_strategy": "no", "disable_tqdm": True, "log_level": "info"}
    arguments = TrainingArguments(str(tmp_path), **{**defaults, **quiet, **options})
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=2
    )
    model = own.pop("model", None) or BertForSequenceClassification(config)
    return kind(model, arguments, train_dataset=data(), callbacks=[*callbacks], **own)


def state_of(trainer: Any) -> Any:
    """Return all that there is to compare after a training."""
    timed = ("train_runtime", "train_samples_per_second", "train_steps_per_second")
    return {
        "weights": {name: value.tolist() for name, value in trainer.model.state_dict().items()},
        "optimizer": str(trainer.optimizer.state_dict()),
        "scheduler": trainer.lr_scheduler.state_dict(),
        "logs": [{key: value for key, value in log.items() if key not in timed} for log in trainer.state.log_history],
        "step": (trainer.state.global_step, trainer.state.epoch, trainer.state.total_flos),
        "lr": trainer.args.learning_rate,
        "gradients": trainer.accelerator.gradient_state.in_dataloader,
        "chance": (random.random(), float(np.random.rand()), torch.rand(1).item()),
        "log": "log" in vars(trainer),
    }


@pytest.mark.parametrize(
    "options",
    [
        {"lr_scheduler_type": "constant"},
        {"lr_scheduler_type": "linear", "warmup_steps": 4, "gradient_accumulation_steps": 2, "max_grad_norm": 0.5},
        {"lr_scheduler_type": "cosine", "bf16": True, "label_smoothing_factor": 0.1},
    ],
    ids=["constant", "linear, accumulated", "cosine, bf16, smoothed"],
)
def test_a_training_is_that_with_the_found_learning_rate_set_by_hand(tmp_path: Path, options: dict[str, Any]) -> None:
    find, seen = FindLR(**QUICK), Seen()
    searched = make(tmp_path, find, seen, **options)
    searched.train()
    state = state_of(searched)
    assert find.result
    assert find.result.suggested_lr != 1e-3
    seen_plain = Seen()
    plain = make(tmp_path, seen_plain, **{**options, "learning_rate": find.result.suggested_lr})
    plain.train()
    assert state == state_of(plain)
    assert seen.lrs == seen_plain.lrs
    assert seen.logs == seen_plain.logs
    assert max(lrs[0] for lrs in seen.lrs) == pytest.approx(find.result.suggested_lr)
    train = find.result.settings["train"]
    assert train["schedule"] == options["lr_scheduler_type"]
    assert train["steps"] == searched.state.max_steps
    assert train["accumulate"] == options.get("gradient_accumulation_steps", 1)
    assert train["clip_grad_norm"] == options.get("max_grad_norm", 1.0)
    assert find.result.settings["precision"] == ("bf16" if "bf16" in options else "fp32")


def test_a_second_finder_of_a_trainer_leaves_it_to_the_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = FindLR(**QUICK), FindLR(**QUICK)
    make(tmp_path, first, second).train()
    assert first.result
    assert second.result is None
    assert "FindLR is in the same Trainer and sets it too; keep one of them" in caplog.text


def test_a_warm_up_that_outlasts_the_training_trains_at_the_suggestion(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    find, seen = FindLR(**QUICK), Seen()
    make(tmp_path, find, seen, lr_scheduler_type="linear", warmup_steps=500).train()
    assert find.result
    constant = find.result.analysis.constant_lr
    assert constant
    lrs = [lrs[0] for lrs in seen.lrs]
    assert max(lrs) == pytest.approx(2 * constant, rel=0.1)
    assert sum(lrs) / len(lrs) == pytest.approx(constant, rel=0.1)
    assert "which is never reached: was it made for more steps than it is stepped for?" in caplog.text


def test_the_code_of_a_schedule_trains_with_it(tmp_path: Path) -> None:
    find = FindLR(**QUICK)
    make(tmp_path, find, gradient_accumulation_steps=2, max_grad_norm=0.5, bf16=True, num_train_epochs=1).train()
    assert find.result
    length = Length(2, 96 // 8 // 2)
    for name in KINDS.keys() - {"plateau"}:
        scheduler = set_up(name, learning_rates_given(1e-3, None), length)
        space: dict[str, Any] = {}
        exec(code(name, scheduler, length, find.result), space)
        seen = Seen()
        trainer = make(tmp_path, seen, kind=space["Scheduled"], **space["ARGUMENTS"])
        trainer.train()
        assert [lrs[0] for lrs in seen.lrs] == pytest.approx([scheduler.at(i) for i in range(12)], abs=1e-12), name
    assert (trainer.args.gradient_accumulation_steps, trainer.args.max_grad_norm, trainer.args.bf16) == (2, 0.5, True)
    with pytest.raises(RecordError, match="reduce_lr_on_plateau"):
        code("plateau", set_up("plateau", learning_rates_given(1e-3, None), length), length, find.result)


class Subclass(Trainer):
    """Its loss is another one, which it logs."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **options: Any) -> Any:
        labels = inputs.pop("labels")
        loss = nn.functional.cross_entropy(model(**inputs).logits, labels, label_smoothing=0.3)
        self.log({"mine": loss.item()})
        self.marks = [*getattr(self, "marks", ()), loss.item()]
        return loss


def smoothed(outputs: Any, labels: Tensor, num_items_in_batch: Tensor) -> Tensor:
    return (
        nn.functional.cross_entropy(outputs.logits, labels, label_smoothing=0.3, reduction="sum") / num_items_in_batch
    )


@pytest.mark.parametrize(
    "options",
    [{"kind": Subclass}, {"compute_loss_func": smoothed}, {"label_smoothing_factor": 0.3}],
    ids=["subclass", "compute_loss_func", "label smoothing"],
)
def test_the_loss_is_the_trainers_own(tmp_path: Path, options: dict[str, Any]) -> None:
    find = FindLR(**QUICK)
    trainer = make(tmp_path, find, max_steps=3, **options)
    trainer.train()
    assert find.result
    if "kind" in options:
        assert len(trainer.marks) == len([log for log in trainer.state.log_history if "mine" in log]) == 3

    by_hand = ByHand()
    make(tmp_path, by_hand, max_steps=3).train()
    assert find.result.sweep.losses == pytest.approx(by_hand.losses, rel=1e-3)


class ByHand(TrainerCallback):
    """Calls find_lr itself."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        def step(model: nn.Module, batch: Any) -> Tensor:
            logits = model(input_ids=batch["input_ids"]).logits
            return nn.functional.cross_entropy(logits, batch["labels"], label_smoothing=0.3)

        loader, optimizer = objects["train_dataloader"].base_dataloader, objects["optimizer"].optimizer
        answer = lrfind.find_lr(
            objects["model"], loader, optimizer=optimizer, step=step, clip_grad_norm=1.0, schedule="linear", **QUICK
        )
        self.losses = answer.sweep.losses


def test_the_user_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    find = FindLR(**QUICK)
    assert find.result is None
    trainer = make(tmp_path, find)
    trainer.train()
    assert find.result
    told = f"FindLR: the learning rate is {find.result.suggested_lr:.3g} instead of 0.001 (safe range"
    assert told in caplog.text
    assert trainer.args.learning_rate == find.result.suggested_lr
    assert str(pickle.loads(pickle.dumps(find)).result) == str(find.result)


def test_no_suggestion_leaves_the_learning_rate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    find = FindLR(end_lr=1e-6, **QUICK)
    trainer = make(tmp_path, find)
    trainer.train()
    state = state_of(trainer)
    assert find.result is not None
    assert not find.result
    assert f"FindLR: the learning rate stays as it is: {find.result.message}" in caplog.text
    plain = make(tmp_path)
    plain.train()
    assert state == state_of(plain)


def test_strict_raises_instead(tmp_path: Path) -> None:
    trainer = make(tmp_path, FindLR(strict=True, end_lr=1e-6, **QUICK))
    with pytest.raises(LrfindError, match="FindLR: "):
        trainer.train()
    assert trainer.state.global_step == 0


def broken(fault: BaseException) -> Callable[..., Tensor]:
    calls: list[int] = []

    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) > 10:
            raise fault
        return smoothed(outputs, labels, num_items_in_batch)

    return loss


@pytest.mark.parametrize(
    ("fault", "expected"), [(ValueError("my own fault"), UserCodeError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_a_fault_or_an_interrupt_ends_the_training_with_the_model_as_it_was(
    tmp_path: Path, fault: BaseException, expected: type[BaseException]
) -> None:
    trainer = make(tmp_path, FindLR(**QUICK), compute_loss_func=broken(fault))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    with pytest.raises(expected) as raised:
        trainer.train()
    assert "my own fault" in str(raised.value) or expected is KeyboardInterrupt
    assert trainer.state.global_step == 0
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())
    assert "log" not in vars(trainer)


def test_a_resumed_training_keeps_its_learning_rate_and_a_second_one_is_searched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    find = FindLR(**QUICK)
    trainer = make(tmp_path, find, save_strategy="steps", save_steps=5, max_steps=8)
    trainer.train()
    first = find.result
    assert first
    again = FindLR(**QUICK)
    resumed = make(tmp_path, again, max_steps=8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-5"))
    assert again.result is None
    assert "FindLR: the training resumes from a checkpoint" in caplog.text
    assert resumed.state.log_history[-2]["learning_rate"] == trainer.state.log_history[-2]["learning_rate"]
    trainer.train()
    assert find.result is not first


def test_evaluation_alone_is_not_searched(tmp_path: Path) -> None:
    find = FindLR(**QUICK)
    make(tmp_path, find).evaluate(data(16))
    assert find.result is None


class Beginning(Trainer):
    """Only begins to train, as one of several processes or with sharded parameters."""

    def train(self) -> None:  # type: ignore[override]
        self.callback_handler.on_train_begin(self.args, ready(self), self.control)


def ready(trainer: Any) -> Any:
    trainer.state.max_steps = 3
    return trainer.state


def test_several_processes_are_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make(tmp_path, FindLR(strict=True), kind=Beginning)
    monkeypatch.setattr(TrainingArguments, "world_size", 2)
    with pytest.raises(LrfindError, match="expected one process on one device, got 2; search once in one process"):
        trainer.train()


def test_sharded_parameters_are_not_searched(tmp_path: Path) -> None:
    trainer = make(tmp_path, FindLR(strict=True), kind=Beginning)
    trainer.is_fsdp_enabled = True
    with pytest.raises(LrfindError, match="expected whole parameters, but DeepSpeed or FSDP shards them"):
        trainer.train()


@pytest.mark.parametrize("attach", [FindLR, lambda trainer, **options: FindLR(**options).attach(trainer)])
def test_a_trainer_that_exists_already_gets_the_callback_once(
    tmp_path: Path, attach: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(tmp_path)
    find = attach(trainer, **QUICK)
    assert find.attach(trainer) is find
    monkeypatch.setattr("lrfind.integrations.huggingface._caller", lambda callback: pytest.fail("walked the stack"))
    trainer.train()
    assert sum(each is find for each in trainer.callback_handler.callbacks) == 1
    assert trainer.args.learning_rate == find.result.suggested_lr != 1e-3


def test_a_callback_searches_for_the_trainer_that_trains(tmp_path: Path) -> None:
    attached = make(tmp_path / "attached")
    find = FindLR(attached, **QUICK)
    other = make(tmp_path / "other", find)
    other.train()
    assert find.result
    assert other.args.learning_rate == find.result.suggested_lr
    assert attached.args.learning_rate == 1e-3
    pickle.dumps(find)


def test_what_is_no_trainer_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"expected a transformers\.Trainer, got Linear"):
        FindLR(nn.Linear(1, 1))  # type: ignore[arg-type]


def test_without_its_trainer_it_searches_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = make(tmp_path)
    FindLR().on_train_begin(trainer.args, ready(trainer), trainer.control)
    assert "FindLR: the learning rate stays as it is: expected a transformers.Trainer" in caplog.text


def test_the_example_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_example("trainers.md", 2, tmp_path, monkeypatch)
    assert names["find"].result
    assert names["trainer"].args.learning_rate == names["find"].result.suggested_lr
