"""Weights to start from, read without running any code that a file may hold."""

from __future__ import annotations

import copy
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.errors import ConfigError, Fault, LrfindError, first_line, is_out_of_memory, some

_WEIGHTS = ("state_dict", "model_state_dict", "model")
_OPTIMIZER = ("optimizer_state_dict", "optimizer", "optimizer_states")
_SAVE_IT = "save it with torch.save(model.state_dict(), path)"
_OBJECTS = (
    "holds pickled objects beside tensors, and reading those could run any code",
    "if you trust it, save its weights alone: torch.save(torch.load(path, weights_only=False)['state_dict'], new_path)",
)
_UNSAFE = re.compile(r"unsupported (global|class)|not an allowed global", re.IGNORECASE)
"""What torch says of an object or a class in a file that `weights_only=True` does not read."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds for the start of a training; read once, for all sweeps.

    Attributes:
        weights: The tensors by name, on the CPU; mapped from the file where its format allows.
        optimizer: The state of the optimizer; None if the file has none.
        source: Name of the config, for error messages.
    """

    path: str
    weights: dict[str, Tensor]
    optimizer: dict[str, Any] | None
    source: str

    def load_weights(self, model: nn.Module, *, strict: bool) -> str | None:
        """Copy the weights into `model`; return what the user should know about weights that do not fit.

        Raises:
            ConfigError: `strict`, and the weights are not exactly those of the model; or none fits at all.
        """
        expected = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
        weights = _without_prefix(self.weights, expected)
        reshaped = [name for name in expected if name in weights and weights[name].shape != expected[name].shape]
        odd = [name for name in expected if _is_odd(weights.get(name))]
        misfits = {
            "lacks": _lacking(weights, expected),
            "has in excess": [name for name in weights if name not in expected],
            "has in another shape": [_shapes(name, weights, expected) for name in reshaped],
            "has as meta, sparse or quantized tensors": odd,
        }
        words = "; ".join(f"{what} {some(names)}" for what, names in misfits.items() if names)
        misfit = {*reshaped, *odd}
        fitting = {name: value for name, value in weights.items() if name in expected and name not in misfit}
        if words and (strict or not fitting):
            fix = "train.strict=false starts from what fits" if fitting else "is it of another model?"
            raise self._error("train.checkpoint", "the weights of the model", f"{self.path}, which {words}", fix)
        model.load_state_dict(fitting, strict=False)
        return f"{self.path} {words}: what it does not give starts untrained." if words else None

    def load_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Give `optimizer` its state; the options of its groups, such as learning rates, stay those of the config.

        Raises:
            ConfigError: The file holds no state, or that of another optimizer.
        """
        if self.optimizer is None:
            expected = f"the state of the optimizer in {self.path} under {' or '.join(_OPTIMIZER)}"
            raise self._error("train.optimizer_state", expected, "none", "set train.optimizer_state=false")
        options = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
        try:
            # A copy, as an optimizer goes on with the very tensors that it is given.
            optimizer.load_state_dict(copy.deepcopy(self.optimizer))
        except (ValueError, KeyError, TypeError) as error:
            expected = f"the state of this optimizer and its parameter groups in {self.path}"
            fix = "make param_groups those of the training, or set train.optimizer_state=false"
            raise self._error("train.optimizer_state", expected, f"another one: {error}", fix) from error
        for group, kept in zip(optimizer.param_groups, options, strict=True):
            group.update(kept)

    def _error(self, key: str, expected: str, got: str, fix: str) -> ConfigError:
        return ConfigError(self.source, [Fault(key, expected=expected, got=got, fix=fix)])


def read_checkpoint(path: str, source: str) -> Checkpoint:
    """Read a state_dict, a checkpoint that holds one (PyTorch, DDP, Lightning), or a safetensors file.

    Args:
        path: The file.
        source: Name of the config, for error messages.

    Raises:
        ConfigError: The file cannot be read, holds more than tensors and plain values, or no weights.
        LrfindError: There is not enough memory for it.
    """
    try:
        content = _read(Path(path))
    except _UnreadableError as error:
        fault = Fault("train.checkpoint", problem=f"{path} {error}", fix=error.fix)
        raise ConfigError(source, [fault]) from error
    nested = next((content[key] for key in _WEIGHTS if isinstance(content.get(key), Mapping)), content)
    weights = {str(name): value for name, value in nested.items() if isinstance(value, Tensor)}
    if not weights:
        expected = f"a state_dict, or one under {', '.join(_WEIGHTS)}"
        got = f"{path} with {some([str(key) for key in content]) or 'nothing'}"
        raise ConfigError(source, [Fault("train.checkpoint", expected=expected, got=got, fix=_SAVE_IT)])
    state = next((content[key] for key in _OPTIMIZER if key in content), None)
    if isinstance(state, list):  # Lightning keeps one for each optimizer
        state = state[0] if len(state) == 1 else None
    return Checkpoint(path, weights, state if isinstance(state, dict) else None, source)


class _UnreadableError(Exception):
    """A file is no checkpoint that can be read; the message follows the name of the file, and `fix` the message."""

    def __init__(self, message: str, fix: str = _SAVE_IT) -> None:
        super().__init__(message)
        self.fix = fix


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols that torch.save does not write, before it fails
            content = _load(path)
    except OSError as error:
        raise _UnreadableError(f"cannot be read: {error.strerror or error}", "name another file") from error
    except Exception as error:  # reading another kind of file can raise anything
        if is_out_of_memory(error):
            problem = f"{path} does not fit into memory"
            raise LrfindError(Fault("train.checkpoint", problem=problem, fix="free some of it")) from error
        if isinstance(error, pickle.UnpicklingError) and _UNSAFE.search(str(error)):
            raise _UnreadableError(*_OBJECTS) from error
        raise _UnreadableError(f"is no whole file of torch.save, which says: {_said(error)}") from error
    if not isinstance(content, Mapping):
        raise _UnreadableError(f"holds a {type(content).__name__}, expected a state_dict")
    return content


def _said(error: Exception) -> str:
    """Return what torch says is wrong with a file, without its advice."""
    lines = [line for line in str(error).splitlines() if "WeightsUnpickler error" in line]
    text = lines[0].strip() if lines else first_line(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _load(path: Path) -> Any:
    try:
        # Mapped, the weights cost no memory of their own beside the model's.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # the format from before torch 1.6 cannot be mapped
        return torch.load(path, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        import safetensors.torch  # optional
    except ImportError as error:
        raise _UnreadableError("needs the package safetensors", "pip install safetensors") from error
    try:
        content: Mapping[str, Any] = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        fix = "write it with safetensors, or name it .pt if torch.save wrote it"
        raise _UnreadableError(f"is no safetensors file: {error}", fix) from error
    return content


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


def _is_odd(value: Tensor | None) -> bool:
    """Tell whether a tensor cannot be copied into that of a model: on the meta device, sparse or quantized."""
    return value is not None and (value.is_meta or value.is_quantized or value.layout != torch.strided)


def _shapes(name: str, got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    return f"{name} {tuple(got[name].shape)} for {tuple(expected[name].shape)}"
