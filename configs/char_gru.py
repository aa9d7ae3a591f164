"""A character language model on English text that every Python brings along: the reference behind `help()`.

The text differs a little from one Python version to the next, and so does the loss.
"""

from collections.abc import Sequence
from pydoc_data.topics import topics

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

VOCABULARY = 128
"""The characters of ASCII; the few others of the text are read as a question mark."""


def text(length: int = 64) -> TensorDataset:
    """Return the text in samples of `length` characters and the one after them, shape (length + 1,)."""
    ascii_text = bytearray("\n".join(topics.values()), "ascii", "replace")
    characters = torch.frombuffer(ascii_text, dtype=torch.uint8)
    return TensorDataset(characters.long().unfold(0, length + 1, length))


class CharGRU(nn.Module):
    """Predicts each next character from those before it."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, VOCABULARY)

    def forward(self, characters: Tensor) -> Tensor:
        """Return logits of shape (batch, length, vocabulary) for `characters` of shape (batch, length)."""
        states, _ = self.gru(self.embedding(characters))
        logits: Tensor = self.head(states)
        return logits


def step(model: nn.Module, batch: Sequence[Tensor]) -> Tensor:
    """Return the mean cross-entropy, in nats per character, of predicting each next character of `batch`."""
    (characters,) = batch
    logits = model(characters[:, :-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), characters[:, 1:].flatten())
