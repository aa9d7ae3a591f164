from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lrfind.config.schema import Config
from lrfind.errors import DataError, LrfindError, Note, UserCodeError
from lrfind.observer import Observer
from lrfind.pipeline import read_config, run, try_out
from lrfind.records.json_format import to_json, to_result
from lrfind.records.types import Refusal, Result, Status, StopReason


def config(sweep: dict[str, Any] | None = None, **sections: Any) -> Config:
    document: dict[str, Any] = {
        "device": "cpu",
        "model": {"_target_": "torch.nn.Linear", "in_features": 4, "out_features": 1},
        "data": {"dataset": {"_target_": "regression.line"}, "batch_size": 64},
        "loss": {"_target_": "torch.nn.MSELoss"},
        "optimizer": {"_target_": "torch.optim.SGD"},
        "sweep": {"start_lr": 1e-5, "end_lr": 10, **(sweep or {})},
    }
    return Config.model_validate(document | sections)


def noise(**arguments: Any) -> dict[str, Any]:
    return {"_target_": "regression.Step", **arguments}


def run_it(config: Config, observer: Observer | None = None) -> Result:
    return run(config, "c.yaml", observer)


def test_a_learning_rate_is_found_for_a_convex_problem() -> None:
    """Gradient descent on a quadratic with curvature 2 converges below a learning rate of 1 and is fastest near 0.5."""
    result = run_it(config())
    assert result.analysis.status is Status.OK
    assert result.analysis.suggested_lr is not None
    assert 0.01 < result.analysis.suggested_lr < 1
    assert result.title == "Linear, SGD, batch 64, cpu"
    assert result.error is None
    assert result.sweep.seed == 0
    assert result.timing.keys() == {"build_seconds", "sweep_seconds", "probe_seconds"}
    assert result.environment["torch"] == torch.__version__
    assert result.config["sweep"]["num_iter"] == 100


@pytest.mark.parametrize("use", [run, try_out])
def test_no_worker_outlives_it(use: Callable[[Config, str], object]) -> None:
    data = {"dataset": {"_target_": "regression.line"}, "batch_size": 16, "num_workers": 2}
    use(config(data=data), "c.yaml")
    assert multiprocessing.active_children() == []  # the garbage collector would wait 5 s for each


def test_the_same_config_gives_the_same_record_but_for_the_time() -> None:
    records = [json.loads(to_json(run_it(config()))) for _ in range(2)]
    assert [record.pop("timing") is not None for record in records] == [True, True]
    assert records[0] == records[1]


def test_noise_is_probed_longer_as_the_budget_allows_and_then_refused() -> None:
    notes: list[Note] = []
    steps: list[int] = []
    observer = Observer(on_sweep=steps.append, on_probe=steps.append, on_note=notes.append)
    result = run_it(config(step=noise(), budget=700), observer)
    assert steps == [100] + 3 * [66] + 3 * [134]
    assert [probe.steps for probe in result.probes] == steps[1:]
    assert result.analysis.reason is Refusal.NOISE
    assert result.analysis.suggested_lr is None
    assert "raise budget" in result.analysis.message
    assert "Training longer around the best learning rate: 134 steps each." in map(str, notes)
    assert not any("data ran out" in str(note) for note in notes)  # of a known length, it is no news


def test_without_probes_noise_makes_the_sweep_longer() -> None:
    notes: list[Note] = []
    steps: list[int] = []
    observer = Observer(on_sweep=steps.append, on_note=notes.append)
    result = run_it(config({"max_iter": 200}, step=noise(), probes={"enabled": False}), observer)
    assert steps == [100, 200]
    assert [len(sweep.lrs) for sweep in result.sweeps] == [100, 200]
    assert result.probes == ()
    assert result.used == 1
    assert result.analysis.reason is Refusal.NOISE
    assert "Noise hides the descent; sweeping again with 200 steps." in map(str, notes)


def test_one_sweep_has_to_do_if_the_user_says_so() -> None:
    result = run_it(config({"max_iter": 10}, step=noise(), probes={"enabled": False}))
    assert len(result.sweeps) == 1
    assert result.probes == ()


def test_a_method_that_is_asked_for_is_not_probed() -> None:
    result = run_it(config(analysis={"method": "steepest"}))
    assert result.probes == ()
    assert result.analysis.method == "steepest"


def test_a_clear_curve_is_swept_once() -> None:
    assert len(run_it(config()).sweeps) == 1


def test_ctrl_c_keeps_what_was_measured() -> None:
    result = run_it(config(step=noise(at=40, event="interrupt")))
    assert result.sweep.stop_reason is StopReason.INTERRUPTED
    assert len(result.sweep.losses) == 39


def test_ctrl_c_in_a_later_sweep_keeps_the_earlier_one() -> None:
    result = run_it(config(step=noise(at=140, event="interrupt"), probes={"enabled": False}))
    assert [sweep.stop_reason for sweep in result.sweeps] == [StopReason.COMPLETED, StopReason.INTERRUPTED]
    assert result.used == 0


def test_a_fault_in_the_middle_keeps_what_was_measured_and_is_told() -> None:
    result = run_it(config(step=noise(at=40, event="raise")))
    assert result.sweep.stop_reason is StopReason.FAILED
    assert len(result.sweep.losses) == 39
    assert result.error is not None
    assert "step 40: training step failed: ValueError: bad sample" in result.error


def test_a_fault_at_the_first_step_ends_the_run() -> None:
    with pytest.raises(UserCodeError, match="bad sample"):
        run_it(config(step=noise(at=1, event="raise")))


def test_a_loss_that_is_nan_at_once_is_refused() -> None:
    result = run_it(config(step=noise(at=1, event="nan")))
    assert result.analysis.reason is Refusal.NON_FINITE_AT_START
    assert result.sweep.stop_reason is StopReason.NON_FINITE


def test_a_loader_that_can_be_read_once_is_swept_once() -> None:
    notes: list[Note] = []
    sections = {"data": {"loader": {"_target_": "regression.once"}}, "step": noise()}
    result = run_it(config({"num_iter": 20}, **sections), Observer(on_note=notes.append))
    assert result.probes == ()
    assert any("cannot be read again" in str(note) for note in notes)
    assert result.used == 0
    assert result.sweep.stop_reason is StopReason.COMPLETED
    assert result.error is None


def test_one_batch_is_recycled() -> None:
    data = {"dataset": {"_target_": "regression.line", "count": 8}, "batch_size": 16}
    assert len(run_it(config(data=data)).sweep.losses) > 50


def test_no_data_ends_the_run() -> None:
    with pytest.raises(DataError):
        run_it(config(data={"loader": {"_target_": "builtins.list"}}))


def test_trying_out_trains_one_step() -> None:
    title, loss = try_out(config(), "c.yaml")
    assert title.startswith("Linear")
    assert loss == run_it(config()).sweep.losses[0]


def test_the_weights_of_a_linear_sweep_start_where_those_of_any_other_do() -> None:
    assert run_it(config({"mode": "linear"})).sweep.losses[0] == run_it(config()).sweep.losses[0]


def test_reading_a_config_checks_its_targets(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "model: {_target_: torch.nn.Linear, in_features: 4, out_features: 1}\n"
        "data: {dataset: {_target_: regression.line}, batch_size: 16}\n"
        "optimizer: {_target_: torch.optim.SGD, weight_decay: '5e-4'}\n"
    )
    optimizer = read_config(path).optimizer
    assert optimizer is not None
    assert optimizer["weight_decay"] == 5e-4


def test_probes_around_the_sweep_are_made_on_common_batches() -> None:
    result = run_it(config())
    assert result.analysis.method == "probes"
    assert len(result.sweeps) == 1
    assert 3 <= len(result.probes) <= 6
    assert len({probe.losses[0] for probe in result.probes}) == 1
    assert all(len(probe.losses) <= probe.steps for probe in result.probes)
    assert sum(len(part.losses) for part in (*result.sweeps, *result.probes)) <= 300


def test_probes_leave_out_the_held_out_samples_and_look_at_them() -> None:
    for probe in run_it(config()).probes:
        assert probe.held_out_steps[0] == 0
        assert len(probe.held_out) == len(probe.held_out_steps)
        assert probe.stop_reason is not StopReason.COMPLETED or probe.held_out_steps[-1] == probe.steps
        assert probe.stop_reason is not StopReason.COMPLETED or sum(probe.held_out[-1]) < sum(probe.held_out[0])


def test_a_validation_set_takes_the_place_of_held_out_samples() -> None:
    data = {"dataset": {"_target_": "regression.line"}, "batch_size": 64}
    own, given = (
        run_it(config(data={**data, **more})) for more in ({}, {"validation": {"_target_": "regression.line"}})
    )
    assert given.probes[0].losses[0] == given.sweep.losses[0]  # trained with all samples
    assert own.probes[0].losses[0] != own.sweep.losses[0]
    assert given.probes[0].held_out


def test_held_out_samples_that_cannot_be_loaded_leave_the_sweep() -> None:
    data = {"dataset": {"_target_": "regression.line"}, "batch_size": 64}
    result = run_it(config(data={**data, "validation": {"_target_": "regression.broken"}}))
    assert len(result.sweep.losses) > 50
    assert result.error is not None
    assert "loading held-out samples failed: ValueError: bad sample" in result.error
    assert result.analysis.suggested_lr is not None


def test_no_probe_begins_that_the_time_does_not_allow() -> None:
    notes: list[Note] = []
    result = run_it(config(max_time=1e-3), Observer(on_note=notes.append))
    assert result.probes == ()
    assert result.analysis.method == "descent_end"
    assert "No time for another probe: max_time is near." in map(str, notes)


def test_refining_probes_longer_within_its_budget() -> None:
    result = run_it(config(refine=True))
    lengths = sorted({probe.steps for probe in result.probes})
    assert len(lengths) == 2
    assert lengths[1] > 2 * lengths[0]
    assert sum(len(part.losses) for part in (*result.sweeps, *result.probes)) <= 1000
    assert result.analysis.suggested_lr is not None
    assert 0.02 < result.analysis.suggested_lr < 1


def test_repeats_run_one_seed_after_the_other_and_take_the_median() -> None:
    result = run_it(config(seed=7, sweep={"start_lr": 1e-5, "repeats": 3}))
    assert [sweep.seed for sweep in result.sweeps] == [7, 8, 9]
    found = sorted(repeat.suggested_lr or 0.0 for repeat in result.repeats)
    assert result.analysis.suggested_lr == pytest.approx(found[1])
    assert result.sweep.seed == next(repeat.seed for repeat in result.repeats if repeat.suggested_lr == found[1])
    assert result.spread is not None
    assert result.config["seed"] == 7
    assert to_result(json.loads(to_json(result)), "r.json") == result


def test_ctrl_c_in_a_repeat_keeps_the_seeds_before() -> None:
    begun: list[int] = []

    def on_sweep(steps: int) -> None:
        begun.append(steps)
        if begun.count(60) == 2:
            raise KeyboardInterrupt

    sweep = {"start_lr": 1e-5, "repeats": 3, "num_iter": 60}
    result = run_it(config(sweep=sweep), Observer(on_sweep=on_sweep))
    assert result.interrupted
    assert [repeat.seed for repeat in result.repeats] == [0]
    assert result.analysis.suggested_lr is not None


def test_a_fault_in_a_repeat_is_told_and_ends_the_run() -> None:
    step = {**noise(at=20, event="raise"), "noise": 0.0, "learns": True}
    result = run_it(config(step=step, sweep={"repeats": 3}))
    assert result.error is not None
    assert len(result.sweeps) == 1


def test_a_fault_while_probing_leaves_the_sweep_as_it_is_and_is_told() -> None:
    told: list[LrfindError] = []
    step = {**noise(at=130, event="raise"), "noise": 0.0, "learns": True}
    result = run_it(config(step=step, probes={"steps": 160}), Observer(on_error=told.append))
    assert result.analysis.method == "descent_end"
    assert [probe.stop_reason for probe in result.probes] == [StopReason.FAILED]
    assert result.error is not None
    assert "bad sample" in result.error
    assert [str(error) for error in told] == [result.error]


def test_a_network_that_first_sits_on_a_plateau_is_found_by_probing() -> None:
    result = run_it(
        config(
            {"num_iter": 20, "end_lr": 0.3},
            model={"_target_": "plateau.Plateau"},
            step={"_target_": "plateau.step", "_partial_": True},
            optimizer={"_target_": "plateau.Steady"},
            budget=600,
        )
    )
    assert result.analysis.status is Status.OK
    assert result.analysis.method == "probes"
    assert result.analysis.safe_range is not None
    assert 0.005 < result.analysis.safe_range[0] <= result.analysis.suggested_lr <= result.analysis.safe_range[1]


def test_ctrl_c_while_probing_keeps_the_sweep() -> None:
    step = noise(at=130, event="interrupt")
    result = run_it(config(step={**step, "noise": 0.0, "learns": True}, probes={"steps": 160}))
    assert result.sweep.stop_reason is not StopReason.INTERRUPTED
    assert [probe.stop_reason for probe in result.probes] == [StopReason.INTERRUPTED]
    assert result.analysis.suggested_lr is not None
