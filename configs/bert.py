"""Which chapter of Python's reference a paragraph is from: a text classification for the BERT config.

The text is the one behind `help()`, which every Python brings along. It differs a little from one version to the next,
and so does the loss.
"""

from collections import Counter
from pydoc_data.topics import topics
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast

CHAPTERS = ("compound", "debugger", "specialnames", "string-methods")


def paragraphs() -> list[tuple[str, int]]:
    """Return (paragraph, index of its chapter) pairs, without the headings and examples of a few words."""
    found = [(text, label) for label, name in enumerate(CHAPTERS) for text in topics[name].split("\n\n")]
    return [(text, label) for text, label in found if len(text.split()) >= 8]


def tokenizer(vocab_size: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer whose vocabulary is the most frequent words of the text."""
    words = Tokenizer(WordLevel(unk_token="[UNK]"))
    words.normalizer, words.pre_tokenizer = Lowercase(), Whitespace()
    counts = Counter(word for text, _ in paragraphs() for word, _ in Whitespace().pre_tokenize_str(text.lower()))
    vocabulary = ["[PAD]", "[UNK]", *(word for word, _ in counts.most_common(vocab_size - 2))]
    words.model = WordLevel({word: index for index, word in enumerate(vocabulary)}, unk_token="[UNK]")
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]"
    )


class Paragraphs(Dataset[dict[str, Any]]):
    """The paragraphs as {input_ids, attention_mask, label}, each as long as it is, cut to `max_length` tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, max_length: int = 32) -> None:
        self.samples = [
            {**tokenizer(text, truncation=True, max_length=max_length, return_token_type_ids=False), "label": label}
            for text, label in paragraphs()
        ]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.samples[index]
