"""A model in evaluation mode in the middle of its training, as it would be at the end."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def evaluating(model: nn.Module, run: Callable[[], object]) -> Iterator[None]:
    """Put a model in evaluation mode, and every part of it back in the state that it had.

    Args:
        model: In the mode of the training.
        run: Runs it on the batches of the evaluation, from which its batch norms take their statistics.
    """
    training = [module for module in model.modules() if module.training]
    norms = [norm for norm in training if isinstance(norm, _BatchNorm) and norm.running_mean is not None]
    model.eval()
    try:
        with _settled(norms, run):
            yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _settled(norms: Sequence[_BatchNorm], run: Callable[[], object]) -> Iterator[None]:
    """Give batch norms the mean statistics of the batches that are evaluated, and their own back at the end.

    Running averages lag behind the weights; at a high learning rate they are useless until long after a probe ends
    (precise batch norm: Wu & Johnson 2021, arXiv 2105.07576, section 3).
    """
    if not norms:
        yield
        return
    own = [(norm.momentum, copy.deepcopy(norm.state_dict())) for norm in norms]

    def put_back() -> None:
        for norm, (momentum, state) in zip(norms, own, strict=True):
            norm.momentum, norm.training = momentum, False
            norm.load_state_dict(state)

    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum, norm.training = None, True  # None: the mean over all batches
        try:
            run()
        except Exception:  # a batch may be too small for statistics; the evaluation itself tells of other faults
            put_back()
        for norm in norms:
            norm.training = False
        yield
    finally:
        put_back()
