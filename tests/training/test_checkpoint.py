from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lrfind.errors import ExitCode, LrfindError, MisfitError
from lrfind.training.checkpoint import Checkpoint, read_checkpoint


def network(outputs: int = 1, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, outputs))


def read(path: Path, content: Any) -> Checkpoint:
    torch.save(content, path / "c.pt")
    return read_checkpoint(str(path / "c.pt"))


def prefixed(prefix: str, state: dict[str, Any]) -> dict[str, Any]:
    return {prefix + name: value for name, value in state.items()}


FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "state_dict": lambda state: state,
    "under state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "under model": lambda state: {"model": state, "args": {"lr": 0.1}},
    "under model_state_dict": lambda state: {"model_state_dict": state, "loss": 0.3},
    "DDP": lambda state: prefixed("module.", state),
    "compiled": lambda state: prefixed("_orig_mod.", state),
    "a compiled layer": lambda state: {name.replace("0.", "0._orig_mod.", 1): value for name, value in state.items()},
    "compiled DDP": lambda state: {"model": prefixed("module._orig_mod.", state)},
    "Lightning": lambda state: {"state_dict": prefixed("net.", state), "pytorch-lightning_version": "2.6"},
    "a part of it frozen and renamed": lambda state: prefixed("model.encoder.", state),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("new_format", [True, False])
def test_the_weights_of_every_form_are_those_that_were_saved(
    tmp_path: Path, form: Callable[[dict[str, Any]], Any], new_format: bool
) -> None:
    trained = network(seed=1)
    torch.save(form(trained.state_dict()), tmp_path / "c.pt", _use_new_zipfile_serialization=new_format)
    model = network()
    assert read_checkpoint(str(tmp_path / "c.pt")).load_weights(model, strict=True) is None
    for value, expected in zip(model.state_dict().values(), trained.state_dict().values(), strict=True):
        assert torch.equal(value, expected)


def test_names_that_begin_with_module_are_the_models_own_where_it_has_them(tmp_path: Path) -> None:
    trained, model = (nn.ModuleDict({"module": network(seed=seed)}) for seed in (1, 0))
    assert read(tmp_path, trained.state_dict()).load_weights(model, strict=True) is None
    assert torch.equal(model["module"][0].weight, trained["module"][0].weight)  # type: ignore[index]


def test_safetensors(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(network(seed=1).state_dict(), tmp_path / "c.safetensors")
    model = network()
    assert read_checkpoint(str(tmp_path / "c.safetensors")).load_weights(model, strict=True) is None
    assert torch.equal(model[0].weight, network(seed=1)[0].weight)
    (tmp_path / "c.safetensors").write_text("no tensors")
    with pytest.raises(MisfitError, match=r"train\.checkpoint: .*c\.safetensors is no safetensors file"):
        read_checkpoint(str(tmp_path / "c.safetensors"))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.head.weight = self.embedding.weight


def test_of_tied_weights_one_is_enough(tmp_path: Path) -> None:
    checkpoint = read(tmp_path, {"embedding.weight": torch.ones(5, 3)})
    model = Tied()
    assert checkpoint.load_weights(model, strict=True) is None
    assert torch.equal(model.head.weight, torch.ones(5, 3))


def test_what_does_not_fit_is_an_error_that_names_it(tmp_path: Path) -> None:
    state = network(outputs=5, seed=1).state_dict()
    state["extra"] = torch.zeros(1)
    del state["0.bias"]
    checkpoint = read(tmp_path, state)
    with pytest.raises(MisfitError) as error:
        checkpoint.load_weights(network(), strict=True)
    assert str(error.value) == (
        f"train.checkpoint: expected the weights of the model, got {tmp_path / 'c.pt'}, which lacks 0.bias; "
        "has in excess extra; has in another shape 2.weight (5, 3) for (1, 3), 2.bias (5,) for (1,); "
        "train.strict=false starts from what fits"
    )
    model = network()
    note = checkpoint.load_weights(model, strict=False)
    assert note is not None
    assert "lacks 0.bias; has in excess extra; has in another shape" in note
    assert torch.equal(model[0].weight, state["0.weight"])
    assert torch.equal(model[0].bias, network()[0].bias)
    assert torch.equal(model[2].weight, network()[2].weight)


@pytest.mark.parametrize("strict", [True, False])
def test_weights_of_another_model_are_an_error_in_any_case(tmp_path: Path, strict: bool) -> None:
    with pytest.raises(MisfitError, match=r"lacks 0\.weight, .* and 4 more; has in excess a; is it of another model"):
        read(tmp_path, {"a": torch.zeros(1)}).load_weights(network(), strict=strict)


def zipped(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")


def cut(path: Path, *, new_format: bool) -> None:
    torch.save(network().state_dict(), path, _use_new_zipfile_serialization=new_format)
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("device", ["meta", "sparse"])
def test_weights_without_plain_values_are_named(tmp_path: Path, device: str) -> None:
    state = network().state_dict()
    state["0.weight"] = state["0.weight"].to_sparse() if device == "sparse" else state["0.weight"].to(device)
    checkpoint = read(tmp_path, state)
    with pytest.raises(MisfitError, match=r"has as meta, sparse or quantized tensors 0\.weight; train\.strict=false"):
        checkpoint.load_weights(network(), strict=True)
    note = checkpoint.load_weights(network(), strict=False)
    assert note is not None
    assert "0.weight: parameters without a fitting value start untrained" in note


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("ran",)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: torch.save({"state_dict": {}, "args": argparse.Namespace()}, path), "holds pickled objects"),
        (lambda path: torch.save(network(), path), r"holds pickled objects.*torch\.save\(torch\.load\("),
        (lambda path: torch.save(Evil(), path), "holds pickled objects"),
        (
            lambda path: path.write_bytes(pickle.dumps(Evil())),
            "complete file of torch.save, which says: Unpickling",
        ),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1}, protocol=2)), "is not a complete file of torch.save"),
        (lambda path: path.write_text("epoch,loss\n1,0.3\n"), "is not a complete file of torch.save"),
        (lambda path: path.write_text("PK is how zip files begin"), "is not a complete file of torch.save"),
        (lambda path: path.write_bytes(b""), r"which says: EOFError; save it with torch\.save\("),
        (lambda path: path.mkdir(), "cannot be read: Is a directory; name another file"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "is not a complete file of torch.save"),
        (
            lambda path: zipped(path, "a.txt"),
            r"torch\.save, which says: RuntimeError: .*a\.txt; save",
        ),
        (lambda path: zipped(path, "m/constants.pkl", "m/data.pkl"), "is not a complete file of torch.save"),
        (
            lambda path: cut(path, new_format=True),
            "complete file of torch.save, which says: RuntimeError: Pytorch",
        ),
        (
            lambda path: cut(path, new_format=False),
            "torch.save, which says: RuntimeError: unexpected",
        ),
        (lambda path: torch.save([torch.zeros(1)], path), "holds a list, expected a state_dict; save it with"),
        (lambda path: torch.save({"epoch": 3}, path), r"with epoch; save it with torch\.save\(model\.state_dict"),
        (lambda path: torch.save({}, path), "with nothing"),
    ],
)
def test_what_is_no_checkpoint_is_told_and_its_code_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], Any], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "c.pt")
    with pytest.raises(MisfitError, match=f"(?s)train.checkpoint: .*{words}"):
        read_checkpoint("c.pt")
    assert not Path("ran").exists()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_lack_of_memory_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(LrfindError, match=r"^train\.checkpoint: .*c\.pt does not fit into memory; free") as raised:
        read(tmp_path, network().state_dict())
    assert raised.value.exit_code == ExitCode.FAILED


def trained_optimizer(model: nn.Module, **options: Any) -> torch.optim.Optimizer:
    optimizer = torch.optim.Adam(model.parameters(), **{"lr": 0.5, **options})
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 2)).sum().backward()
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("key", ["optimizer", "optimizer_state_dict", "optimizer_states"])
def test_the_optimizers_state_is_resumed_and_its_options_are_the_configs(tmp_path: Path, key: str) -> None:
    trained = network(seed=1)
    state = trained_optimizer(trained).state_dict()
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, betas=(0.8, 0.9))
    checkpoint = read(tmp_path, {"model": trained.state_dict(), key: [state] if key.endswith("states") else state})
    checkpoint.load_optimizer(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.9)
    assert optimizer.state[model[0].weight]["step"] == 3
    assert torch.equal(optimizer.state[model[0].weight]["exp_avg"], state["state"][0]["exp_avg"])


def test_a_sweep_does_not_change_the_state_that_the_next_one_starts_with(tmp_path: Path) -> None:
    trained = network(seed=1)
    state = trained_optimizer(trained).state_dict()
    checkpoint = read(tmp_path, {"model": trained.state_dict(), "optimizer": state})
    starts = []
    for _ in range(2):
        model = network()
        checkpoint.load_weights(model, strict=True)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        checkpoint.load_optimizer(optimizer)
        starts.append([optimizer.state[model[0].weight][name].clone() for name in ("exp_avg", "step")])
        starts[-1].append(model[0].weight.detach().clone())
        model(torch.ones(4, 2)).sum().backward()
        optimizer.step()
    assert all(torch.equal(first, second) for first, second in zip(*starts, strict=True))


def test_a_state_that_is_absent_or_of_another_optimizer_is_told(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.Adam([{"params": [model[0].weight]}, {"params": [model[2].weight]}], lr=0.1)
    with pytest.raises(MisfitError, match=r"train\.optimizer_state: .* got none; set train\.optimizer_state=false"):
        read(tmp_path, {"model": model.state_dict()}).load_optimizer(optimizer)
    saved = {"model": model.state_dict(), "optimizer": trained_optimizer(model).state_dict()}
    with pytest.raises(MisfitError, match=r"train\.optimizer_state: .*parameter groups"):
        read(tmp_path, saved).load_optimizer(optimizer)


def test_ddp_itself_writes_what_is_read(tmp_path: Path) -> None:
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        wrapped = DistributedDataParallel(network(seed=1))
        model = network()
        assert read(tmp_path, wrapped.state_dict()).load_weights(model, strict=True) is None
        assert torch.equal(model[0].weight, network(seed=1)[0].weight)
    finally:
        torch.distributed.destroy_process_group()
