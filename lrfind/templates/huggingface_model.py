"""The data of the config beside this file: put your own here, or name yours in the config.

Which chapter of Python's reference a paragraph is from. The text is the one behind `help()`, which every Python brings
along; it differs a little from one version to the next, and so does the loss.
"""

from pydoc_data.topics import topics
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.trainers import WordLevelTrainer
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

CHAPTERS = ("compound", "debugger", "specialnames", "string-methods")


def texts() -> list[tuple[str, int]]:
    """Return (text, label) pairs: paragraphs of eight words or more, and the index of their chapter."""
    found = [(text, label) for label, name in enumerate(CHAPTERS) for text in topics[name].split("\n\n")]
    return [(text, label) for text, label in found if len(text.split()) >= 8]


class Texts(Dataset[dict[str, Any]]):
    """The texts as {input_ids, attention_mask, label}, each as long as it is: the collator pads them batch by batch."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int = 128) -> None:
        self.samples = [{**tokenizer(text, truncation=True, max_length=max_length), "label": y} for text, y in texts()]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.samples[index]


def words(vocab_size: int) -> Tokenizer:
    """Return a tokenizer whose tokens are the most frequent words of the texts: what stands in for a pretrained one."""
    tokenizer = Tokenizer(WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    trainer = WordLevelTrainer(vocab_size=vocab_size, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
    tokenizer.train_from_iterator([text for text, _ in texts()], trainer)
    return tokenizer
