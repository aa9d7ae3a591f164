"""The data that a config describes: a data set with its batching, or a loader."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from lrfind.config.schema import Config, DataConfig
from lrfind.config.targets import resolve
from lrfind.config.validate import takes_data
from lrfind.errors import Fault, Note, UserCodeError, user_code
from lrfind.training.data import (
    WithoutText,
    batches_of,
    check_size,
    is_of_transformers,
    loader_options,
    texts_of,
)
from lrfind.training.held_out import can_be_split
from lrfind.training.minibatches import ALL, Share
from lrfind.training.rng import keep_rng
from lrfind.training.step import OnNote
from lrfind.workloads.instantiate import called_later, instantiate
from lrfind.workloads.lightning_module import is_data_module

OF_THE_LOADER = ("num_workers", "multiprocessing_context", "pin_memory", "persistent_workers", "prefetch_factor")
"""Keys of `data` that a DataLoader takes as they are."""


def build_source(config: DataConfig) -> Any:
    """Return the user's own loader, or the data set."""
    if config.loader is not None:
        loader = instantiate("data.loader", config.loader)
        if is_data_module(loader):
            return loader
        if not isinstance(loader, Iterable):
            expected, fix = "an iterable of mini-batches", "a data set goes to data.dataset, beside data.batch_size"
            raise UserCodeError(Fault("data.loader", expected=expected, got=type(loader).__name__, fix=fix))
        return loader
    assert config.dataset is not None  # DataConfig makes sure of it
    dataset = instantiate("data.dataset", config.dataset)
    if not isinstance(dataset, IterableDataset):
        check_size(dataset)
    return dataset


def build_loader(
    config: Config,
    source: Any,
    device: torch.device,
    share: Share = ALL,
    collate_fn: Callable[[list[Any]], Any] | None = None,
) -> Iterable[Any]:
    """Return the user's own loader, or the batches of a data set in an order that the seed decides."""
    settings = config.data
    if settings.loader is not None:
        loader: Iterable[Any] = source
        return loader
    options = {name: getattr(settings, name) for name in OF_THE_LOADER}
    if settings.worker_init_fn is not None:
        options["worker_init_fn"] = called_later("data.worker_init_fn", settings.worker_init_fn)
    if settings.batch_size is None:
        sampler = build_sampler(settings, source)
        options = loader_options(config.seed + share.rank, device, collate_fn=collate_fn, **options)
        return DataLoader(source, batch_sampler=sampler, **options)
    return batches_of(
        source,
        settings.batch_size,
        seed=config.seed,
        device=device,
        shuffle=settings.shuffle,
        drop_last=settings.drop_last,
        sampler=build_sampler(settings, source),
        collate_fn=collate_fn,
        share=share,
        **options,
    )


def build_sampler(config: DataConfig, source: Any) -> Any:
    """Return what draws the samples, or those of each mini-batch, from a data set; None if that is left to lrfind."""
    for key, node in (("data.batch_sampler", config.batch_sampler), ("data.sampler", config.sampler)):
        if node is not None:
            return _sampler(key, node, source)
    return None


def _sampler(key: str, node: dict[str, Any], source: Any) -> Any:
    inner = node.get("sampler")
    named = {"sampler": _sampler(f"{key}.sampler", inner, source)} if isinstance(inner, dict) else {}
    make = instantiate(key, {**{name: node[name] for name in node if name not in named}, "_partial_": True})
    if not callable(make):  # an object that is there already
        return make
    with user_code(f"building {node['_target_']}", key=key):
        return make(*[source] * takes_data(resolve(node["_target_"], key), node), **named)


def build_collate(config: DataConfig, source: Any, on_note: OnNote) -> Callable[[list[Any]], Any] | None:
    """Return what makes a mini-batch of samples; None stacks them."""
    if config.collate_fn is None:
        return None
    collate: Callable[[list[Any]], Any] = called_later("data.collate_fn", config.collate_fn)
    if not is_of_transformers(collate):
        return collate
    if can_be_split(source):
        put_back_rng = keep_rng()
        with user_code("loading a sample"):
            texts = texts_of(source[0])
        put_back_rng()
        if texts:
            on_note(Note("Columns of text are dropped, as a Trainer does: ", literal=", ".join(texts)))
    return WithoutText(collate)
