from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lrfind.config.schema import Config
from lrfind.config.targets import resolve
from lrfind.config.validate import check_targets
from lrfind.errors import ConfigError, UserCodeError


def config(**nodes: Any) -> Config:
    document: dict[str, Any] = {
        "model": {"_target_": "torch.nn.Linear", "in_features": 4, "out_features": 1},
        "data": {"dataset": {"_target_": "torch.utils.data.TensorDataset"}, "batch_size": 8},
        "loss": {"_target_": "torch.nn.MSELoss"},
        "optimizer": {"_target_": "torch.optim.SGD"},
    }
    return Config.model_validate(document | nodes)


def faults(**nodes: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as error:
        check_targets(config(**nodes), "c.yaml")
    return {error.value.words.name(fault.key): replace(fault, key="").render() for fault in error.value.faults}


def test_a_good_config_passes_as_it_is() -> None:
    assert check_targets(config(), "c.yaml") == config()


def test_objects_at_dotted_paths() -> None:
    assert resolve("torch.optim.SGD", "key") is torch.optim.SGD
    assert resolve("collections.OrderedDict.fromkeys", "key") == OrderedDict.fromkeys
    assert resolve("builtins.dict", "key") is dict


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("torch.optim.Adm", "torch.optim has no Adm; did you mean torch.optim.Adam?"),
        ("torch.optm.Adam", "torch has no optm; did you mean torch.optim?"),
        (
            "no_such_module.Net",
            "there is no module no_such_module; install it, or put no_such_module.py beside",
        ),
        ("torch.optim.SGD.nothing", "torch.optim.SGD has no nothing"),
        ("not a path", "expected a dotted path such as torch.optim.SGD, got 'not a path'"),
        ("torch..optim", "expected a dotted path"),
        ("math.pi", "expected a class or function, got math.pi, which is a float"),
    ],
)
def test_a_target_that_is_not_there(target: str, words: str) -> None:
    assert words in faults(loss={"_target_": target})["loss._target_"]


def test_a_misspelt_argument_names_the_nearest() -> None:
    optimizer = {"_target_": "torch.optim.SGD", "momentom": 0.9}
    assert faults(optimizer=optimizer) == {
        "optimizer.momentom": "torch.optim.SGD takes no argument momentom; did you mean momentum?"
    }


def test_a_missing_argument_is_named() -> None:
    assert "'out_features'" in faults(model={"_target_": "torch.nn.Linear", "in_features": 4})["model"]


def test_faults_of_nested_nodes_are_found_together() -> None:
    layers = [{"_target_": "torch.nn.Linear", "in_features": 4, "bais": True}, {"_target_": "torch.nn.Rely"}]
    found = faults(model={"_target_": "torch.nn.Sequential", "_args_": layers}, loss={"_target_": "torch.nn.MSLoss"})
    assert set(found) == {"model._args_[0].bais", "model._args_[1]._target_", "loss._target_"}


CALLED_LATER: dict[str, tuple[Any, bool]] = {
    "function": ({"_target_": "torch.nn.functional.mse_loss"}, True),
    "function, said to be partial": ({"_target_": "torch.nn.functional.mse_loss", "_partial_": True}, True),
    "function with an argument": ({"_target_": "torch.nn.functional.mse_loss", "reduction": "sum"}, True),
    "function that makes one": ({"_target_": "parts.no_module"}, False),
    "class, said to be partial": ({"_target_": "torch.nn.MSELoss", "_partial_": True}, False),
    "path of a function": ("torch.nn.functional.mse_loss", True),
    "path of a class": ("torch.nn.MSELoss", False),
}


@pytest.mark.parametrize(("node", "partial"), CALLED_LATER.values(), ids=CALLED_LATER)
def test_a_function_that_is_called_later_is_taken_as_it_is_and_a_class_is_called(node: Any, partial: bool) -> None:
    loss = check_targets(config(loss=node), "c.yaml").loss
    assert loss is not None
    assert loss.get("_partial_", False) is partial


def test_a_path_stands_for_a_node() -> None:
    checked = check_targets(config(optimizer="torch.optim.SGD", step="parts.my_step"), "c.yaml")
    assert checked.optimizer == {"_target_": "torch.optim.SGD"}
    assert checked.step == {"_target_": "parts.my_step", "_partial_": True}


@pytest.mark.parametrize(
    ("transform", "node"),
    [
        ("parts.my_step", {"_target_": "parts.my_step", "_partial_": True}),
        ("torchvision.transforms.ToTensor", {"_target_": "torchvision.transforms.ToTensor"}),
        ("parts.network", {"_target_": "parts.network", "_partial_": True}),
        ("train", "train"),
        ("no_such_module.tf", "no_such_module.tf"),
        ("rand-m9.mstd0.5", "rand-m9.mstd0.5"),
    ],
)
def test_a_transform_may_be_the_path_of_one(transform: str, node: Any) -> None:
    dataset = {"_target_": "parts.Transformed", "transform": transform}
    checked = check_targets(config(data={"dataset": dataset, "batch_size": 8}), "c.yaml")
    assert checked.data.dataset is not None
    assert checked.data.dataset["transform"] == node


def test_a_transform_that_its_module_lacks_is_a_fault() -> None:
    dataset = {"_target_": "parts.Transformed", "transform": "parts.netwrk"}
    found = faults(data={"dataset": dataset, "batch_size": 8})
    assert found == {"data.dataset.transform._target_": "parts has no netwrk; did you mean parts.network?"}


def test_an_object_that_is_there_already_takes_no_arguments() -> None:
    check_targets(config(data={"loader": "parts.loader"}, model="parts.network"), "c.yaml")
    found = faults(data={"loader": {"_target_": "parts.loader", "batch_size": 8}})
    assert found["data.loader"].startswith(
        "parts.loader is an object already, and takes no argument batch_size; drop it"
    )


def test_an_optimizer_that_needs_a_learning_rate_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strict_optimizer.py").write_text("def make(params, lr, nesterov=False): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    check_targets(config(optimizer={"_target_": "strict_optimizer.make", "nesterov": True}), "c.yaml")


def test_numbers_written_as_text_become_numbers_where_a_number_is_taken() -> None:
    checked = check_targets(
        config(
            optimizer={"_target_": "torch.optim.SGD", "weight_decay": "5e-4"},
            model={"_target_": "torch.nn.Linear", "in_features": "4", "out_features": 1},
            loss={"_target_": "torch.nn.MSELoss", "reduction": "1e-3"},
        ),
        "c.yaml",
    )
    assert checked.optimizer["weight_decay"] == 5e-4
    assert checked.model["in_features"] == 4
    assert checked.loss is not None
    assert checked.loss["reduction"] == "1e-3"


def test_a_module_that_raises_is_the_users_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raises_at_import.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserCodeError, match=r"loss: importing raises_at_import failed: .* no licence") as error:
        check_targets(config(loss={"_target_": "raises_at_import.Loss"}), "c.yaml")
    assert "raises_at_import.py" in error.value.user_traceback
    assert "raises_at_import" not in sys.modules


def test_checking_builds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "never_called.py").write_text("def make():\n    raise AssertionError('called')\n")
    monkeypatch.syspath_prepend(tmp_path)
    check_targets(config(model={"_target_": "never_called.make"}), "c.yaml")


def test_a_decorator_may_add_arguments() -> None:
    check_targets(config(model={"_target_": "decorated.net", "width": 3, "extra": 1}), "c.yaml")
    assert "'width'" in faults(model={"_target_": "decorated.net", "extra": 1})["model"]
    assert set(faults(model={"_target_": "decorated.net", "width": 1, "wdth": 1})) == {"model.wdth"}


def test_a_decorated_class_may_take_its_properties() -> None:
    check_targets(config(model={"_target_": "decorated.Config", "width": 1, "labels": 3}), "c.yaml")
    found = faults(model={"_target_": "decorated.Config", "width": 1, "label": 3, "depth": 2})
    assert found["model.label"].endswith("did you mean labels?")
    assert set(found) == {"model.label", "model.depth"}


def test_nodes_that_hydra_is_told_to_leave_alone_are_left_alone() -> None:
    inner = {"_target_": "torch.optim.Adam", "lr": 1e-3}
    node = {"_target_": "decorated.System", "_recursive_": False, "optimizer": inner}
    check_targets(config(model=node), "c.yaml")


@pytest.mark.parametrize("arguments", [3, None, {"a": 1}])
def test_positional_arguments_are_a_list(arguments: Any) -> None:
    found = faults(model={"_target_": "torch.nn.Flatten", "_args_": arguments})
    assert "expected a list of arguments" in found["model._args_"]


def test_positional_arguments_of_the_optimizer_would_be_dropped() -> None:
    found = faults(optimizer={"_target_": "torch.optim.SGD", "_args_": [0.1, 0.9], "nesterov": True})
    assert found == {
        "optimizer._args_": "does nothing, as Hydra puts the parameters in its place; name them: lr: 0.1, momentum: 0.9"
    }
    check_targets(config(optimizer={"_target_": "torch.optim.SGD", "_args_": []}), "c.yaml")


def test_only_a_model_with_an_optimizer_of_its_own_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    check_targets(config(model={"_target_": "own_optimizer.Lit"}, optimizer=None), "c.yaml")
    for model in ("Net", "make"):
        found = faults(model={"_target_": f"own_optimizer.{model}"}, optimizer=None)
        assert found.keys() == {"optimizer"}
        assert "add this key (only a LightningModule brings" in found["optimizer"]


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_what_a_function_returns_shows_later_where_lightning_is_in_use(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, sys)
    check_targets(config(model={"_target_": "own_optimizer.make"}, optimizer=None), "c.yaml")
    assert set(faults(model={"_target_": "own_optimizer.Net"}, optimizer=None)) == {"optimizer"}


def test_a_model_at_fault_is_not_blamed_for_its_optimizer_too() -> None:
    assert set(faults(model={"_target_": "torch.nn.Linaer"}, optimizer=None)) == {"model._target_"}
