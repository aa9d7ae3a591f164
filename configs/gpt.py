"""Python's reference, the text behind `help()`, in blocks of characters for the GPT config.

The text differs a little from one Python version to the next, and so does the loss.
"""

from pydoc_data.topics import topics

import torch
from torch import Tensor
from torch.utils.data import Dataset


class Text(Dataset[dict[str, Tensor]]):
    """The text as {input_ids, labels}, both of shape (length,): the model shifts the labels by one itself.

    The tokens are the 128 characters of ASCII; the few others of the text are read as a question mark.
    """

    def __init__(self, length: int = 64) -> None:
        ascii_text = bytearray("\n".join(topics.values()), "ascii", "replace")
        self.blocks = torch.frombuffer(ascii_text, dtype=torch.uint8).long().unfold(0, length, length)

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.blocks[index], "labels": self.blocks[index]}
