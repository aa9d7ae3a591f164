"""Weights to start from, read without running any code in the file."""

from __future__ import annotations

import copy
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.errors import Fault, LrfindError, MisfitError, first_line, is_out_of_memory, some

_WEIGHTS = ("state_dict", "model_state_dict", "model")
_OPTIMIZER = ("optimizer_state_dict", "optimizer", "optimizer_states")
_SAVE_IT = "save it with torch.save(model.state_dict(), path)"
_OBJECTS = (
    "holds pickled objects beside tensors, and reading those could run any code",
    "if you trust it, save its weights alone: torch.save(torch.load(path, weights_only=False)['state_dict'], new_path)",
)
_UNSAFE = re.compile(r"unsupported (global|class)|not an allowed global", re.IGNORECASE)
"""Begins torch's message about an object or a class that `weights_only=True` does not read."""


@dataclass(frozen=True)
class Checkpoint:
    """The start of a training in a checkpoint; read once, for all sweeps.

    Attributes:
        weights: The tensors by name, on the CPU; mapped from the file if its format allows.
        optimizer: The state of the optimizer; None if the file has none.
    """

    path: str
    weights: dict[str, Tensor]
    optimizer: dict[str, Any] | None

    def load_weights(self, model: nn.Module, *, strict: bool) -> str | None:
        """Copy the weights into `model`; return what the user should know about weights that do not fit.

        Raises:
            MisfitError: No weight fits; or `strict`, and the weights are not exactly those of the model.
        """
        expected = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
        weights = _without_prefix(self.weights, expected)
        shared = {name: value for name, value in weights.items() if name in expected}
        reshaped = {name: value for name, value in shared.items() if value.shape != expected[name].shape}
        unplain = [
            name
            for name, value in shared.items()
            if value.is_meta or value.is_quantized or value.layout != torch.strided
        ]
        misfits = {
            "lacks": _lacking(weights, expected),
            "has in excess": [name for name in weights if name not in expected],
            "has in another shape": [
                f"{name} {tuple(value.shape)} for {tuple(expected[name].shape)}" for name, value in reshaped.items()
            ],
            "has as meta, sparse or quantized tensors": unplain,
        }
        words = "; ".join(f"{what} {some(names)}" for what, names in misfits.items() if names)
        fitting = {name: value for name, value in shared.items() if name not in {*reshaped, *unplain}}
        if words and (strict or not fitting):
            fix = "train.strict=false starts from what fits" if fitting else "is it of another model?"
            got = f"{self.path}, which {words}"
            raise MisfitError(Fault("train.checkpoint", expected="the weights of the model", got=got, fix=fix))
        model.load_state_dict(fitting, strict=False)
        return f"{self.path} {words}: parameters without a fitting value start untrained." if words else None

    def load_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Give `optimizer` its state; the options of its groups, such as learning rates, stay those of the config.

        Raises:
            MisfitError: The file holds no state, or the state of another optimizer.
        """
        if self.optimizer is None:
            expected = f"the state of the optimizer in {self.path} under {' or '.join(_OPTIMIZER)}"
            fix = "set train.optimizer_state=false"
            raise MisfitError(Fault("train.optimizer_state", expected=expected, got="none", fix=fix))
        options = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
        try:
            # A copy, as an optimizer keeps the tensors that it gets.
            optimizer.load_state_dict(copy.deepcopy(self.optimizer))
        except (ValueError, KeyError, TypeError) as error:
            expected = f"the state of this optimizer and its parameter groups in {self.path}"
            got, fix = (
                f"another one: {error}",
                "make param_groups those of the training, or set train.optimizer_state=false",
            )
            raise MisfitError(Fault("train.optimizer_state", expected=expected, got=got, fix=fix)) from error
        for group, kept in zip(optimizer.param_groups, options, strict=True):
            group.update(kept)


def read_checkpoint(path: str) -> Checkpoint:
    """Read a state_dict, a checkpoint that holds one (PyTorch, DDP, Lightning), or a safetensors file.

    Raises:
        MisfitError: The file cannot be read, holds more than tensors and plain values, or no weights.
        LrfindError: There is not enough memory for it.
    """
    content = _read_safetensors(path) if path.endswith(".safetensors") else _read(path)
    if not isinstance(content, Mapping):
        raise _unreadable(path, f"holds a {type(content).__name__}, expected a state_dict", _SAVE_IT)
    nested = next((content[key] for key in _WEIGHTS if isinstance(content.get(key), Mapping)), content)
    weights = {str(name): value for name, value in nested.items() if isinstance(value, Tensor)}
    if not weights:
        expected = f"a state_dict, or one under {', '.join(_WEIGHTS)}"
        got = f"{path} with {some([str(key) for key in content]) or 'nothing'}"
        raise MisfitError(Fault("train.checkpoint", expected=expected, got=got, fix=_SAVE_IT))
    state = next((content[key] for key in _OPTIMIZER if key in content), None)
    if isinstance(state, list):  # Lightning keeps one for each optimizer
        state = state[0] if len(state) == 1 else None
    return Checkpoint(path, weights, state if isinstance(state, dict) else None)


def _unreadable(path: str, problem: str, fix: str) -> MisfitError:
    return MisfitError(Fault("train.checkpoint", problem=f"{path} {problem}", fix=fix))


def _read(path: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols that torch.save does not write, before it fails
            try:
                # Mapped, the weights cost no memory of their own beside the model's.
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError:  # the format from before torch 1.6 cannot be mapped
                return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror or error}", "name another file") from error
    except Exception as error:  # reading another kind of file can raise anything
        if is_out_of_memory(error):
            problem = f"{path} does not fit into memory"
            raise LrfindError(Fault("train.checkpoint", problem=problem, fix="free some of it")) from error
        if isinstance(error, pickle.UnpicklingError) and _UNSAFE.search(str(error)):
            raise _unreadable(path, *_OBJECTS) from error
        raise _unreadable(
            path, f"is not a complete file of torch.save, which says: {_said(error)}", _SAVE_IT
        ) from error


def _said(error: Exception) -> str:
    """Return what torch says is wrong with a file, without its advice."""
    lines = [line for line in str(error).splitlines() if "WeightsUnpickler error" in line]
    text = lines[0].strip() if lines else first_line(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _read_safetensors(path: str) -> Any:
    try:
        import safetensors.torch  # optional

        return safetensors.torch.load_file(path)
    except ImportError as error:
        raise _unreadable(path, "needs the package safetensors", "pip install safetensors") from error
    except (safetensors.SafetensorError, OSError) as error:
        fix = "write it with safetensors, or name it .pt if torch.save wrote it"
        raise _unreadable(path, f"is no safetensors file: {error}", fix) from error


def _without_prefix(weights: Mapping[str, Tensor], expected: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights under the names of the model: DDP puts `module.` before them, Lightning its attribute's name.

    The prefix is the one under which the most names are those of the model; names that do not have it are kept.
    """
    plain = {name.replace("_orig_mod.", ""): value for name, value in weights.items()}  # of torch.compile
    first = next(iter(expected), "")
    prefixes = {name.removesuffix(first) for name in plain if name.endswith(f".{first}")} | {"", "module."}
    best = max(sorted(prefixes), key=lambda prefix: sum(prefix + name in plain for name in expected))
    return {name.removeprefix(best): value for name, value in plain.items()}


def _lacking(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """Return the names without weights; of tensors that a model has under two names, safetensors files hold one."""
    given = {expected[name].data_ptr() for name in weights if name in expected and expected[name].numel()}
    return [name for name, value in expected.items() if name not in weights and value.data_ptr() not in given]
