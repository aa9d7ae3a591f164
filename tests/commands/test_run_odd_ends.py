"""Code of the user's that ends in odd ways: forks, threads, exits, dying workers."""

from __future__ import annotations

import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli import Project, process, saved, strict_json

from lrfind.commands import own_exit
from lrfind.errors import UserCodeError, interrupts, user_code

pytestmark = pytest.mark.slow

LOSS = "loss._target_=own.loss"
DATASET = "data.dataset._target_=own.dataset"
FORKS = """
def act(step, value):
    if step == 20:
        pid = os.fork()
        if not pid: {then}
        os.waitpid(pid, 0)
    return value
def loss(): return on_step(act)
"""


@pytest.mark.parametrize("then", ["sys.exit(3)", "raise ValueError('in the fork')", "return value * float('nan')"])
def test_a_fork_that_comes_back_is_no_second_run(project: Project, then: str) -> None:
    project.add(FORKS.format(then=then))
    outcome = project.run(LOSS, "--json", "probes.enabled=false")
    assert (outcome.code, outcome.json) == (0, saved(project))
    assert len(outcome.json["sweeps"][0]["losses"]) > 40
    outcome.says(*["Traceback in a fork of your code", "ValueError: in the fork"] * ("ValueError" in then))


@pytest.mark.parametrize(
    ("code", "override"),
    [
        ("def model(): raise GeneratorExit", "model._target_=own.model"),
        ("def loss(): return on_step(lambda step, value: (_ for _ in ()).throw(GeneratorExit))", LOSS),
    ],
    ids=["model", "step"],
)
def test_the_end_of_a_generator_is_a_failure(project: Project, code: str, override: str) -> None:
    project.add(code)
    outcome = project.run(override)
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("failed: GeneratorExit")


@pytest.mark.parametrize("asked", [1, 2, 4, 8])
def test_a_length_that_raises_is_a_failure_whenever_it_is_asked_for(project: Project, asked: int) -> None:
    project.add(
        f"""
        class dataset(TensorDataset):
            asked = 0
            def __init__(self): super().__init__(*data().tensors)
            def __len__(self):
                dataset.asked += 1
                if dataset.asked >= {asked}: raise RuntimeError("no length today")
                return 64
        """
    )
    outcome = project.run(DATASET, "data.batch_size=16", "data.num_workers=1")
    assert outcome.code == 1
    outcome.says("RuntimeError: no length today")


@pytest.mark.parametrize("dies", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)"], ids=["killed", "exits"])
def test_a_worker_that_dies_is_named_once_and_what_was_measured_is_kept(project: Project, dies: str) -> None:
    project.add(
        f"""
        class dataset(Dataset):
            read = 0
            def __len__(self): return 512
            def __getitem__(self, index):
                self.read += 1
                if self.read > 200: {dies}
                return torch.ones(3) * index / 512, torch.ones(1)
        """
    )
    outcome = project.process(
        DATASET, "data.batch_size=16", "data.num_workers=1", "--json"
    )  # torch raises it later, too
    assert outcome.code == 1
    assert len(saved(project)["sweeps"][0]["losses"]) >= 9
    assert outcome.err.count("loading a mini-batch failed") + outcome.err.count("training step failed") == 1
    outcome.says("a DataLoader worker died: was it out of memory? data.num_workers=0 shows its error")


def test_the_broken_exchange_with_a_dead_worker_has_the_same_words(tmp_path: Path) -> None:
    with pytest.raises(UserCodeError, match="a DataLoader worker died"), user_code("loading a mini-batch"):
        multiprocessing.connection.Client(str(tmp_path / "gone"))
    with pytest.raises(UserCodeError) as raised, user_code("loading a mini-batch"):
        Path(tmp_path / "image.png").read_bytes()
    assert "worker" not in str(raised.value)


@pytest.fixture
def raising() -> Iterator[None]:
    """Let the end of a child raise wherever this process is, as a DataLoader does."""

    def died(*_: object) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    kept = signal.signal(signal.SIGCHLD, died)
    yield
    assert signal.signal(signal.SIGCHLD, kept) is died


@pytest.mark.usefixtures("raising")
def test_the_death_of_a_worker_is_told_where_batches_are_loaded_alone() -> None:
    with interrupts.worker_deaths_held():
        signal.raise_signal(signal.SIGCHLD)
        with pytest.raises(RuntimeError, match="DataLoader worker"), interrupts.worker_deaths_told():
            signal.raise_signal(signal.SIGCHLD)
        signal.raise_signal(signal.SIGCHLD)


def test_a_process_ends_in_spite_of_its_threads_and_of_exits_in_its_training(project: Project) -> None:
    project.add(
        """
        import threading
        threading.Thread(target=threading.Event().wait).start()
        def act(step, value):
            if step == 40: os._exit(0)
            return value
        def loss(): return on_step(act)
        """
    )
    outcome = project.process(LOSS, "--json")
    assert outcome.code == 1
    assert outcome.json == strict_json(project.record.read_text())
    assert len(outcome.json["sweeps"][0]["losses"]) == 40
    outcome.says("step 41: training step failed: it called exit(0)")


def test_an_exit_in_a_thread_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    left: list[int] = []
    monkeypatch.setattr(own_exit, "leave", left.append)
    monkeypatch.setattr(os, "_exit", os._exit)
    own_exit.OwnExit()
    thread = threading.Thread(target=os._exit, args=(0,))
    thread.start()
    thread.join()
    assert left == [1]
    assert "a thread of the training called os._exit(0)" in capsys.readouterr().err


@pytest.mark.parametrize("act", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_script_that_ends_its_process_keeps_what_was_measured(tmp_path: Path, act: str) -> None:
    (tmp_path / "train.py").write_text(
        f"""\
import os, signal, time, torch
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(100):
    if step == 20: {act}
    time.sleep(0.02)
    optimizer.zero_grad()
    model(torch.ones(8, 3)).square().mean().backward()
    optimizer.step()
"""
    )
    outcome = process(["run", "train.py", "--json", "--plot", "none"], cwd=tmp_path)
    assert outcome.code == 1
    assert len(outcome.json["sweeps"][0]["losses"]) >= 19
    outcome.says("the process", "before it could say why")
