"""Networks for sequences: characters, bytes and words of text, and successive pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from accuracy.data.texts import CONTEXT, MODULES, VOCABULARY, WORDS, vocabulary
from accuracy.models.dense import mlp


def encoder(width: int, dropout: float, norm_first: bool = False) -> nn.TransformerEncoder:
    """Return two layers of a transformer, which norm after each sum or before each branch."""
    layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout, batch_first=True, norm_first=norm_first)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


class CharTransformer(nn.Module):
    """A causal transformer of two layers; its logits have shape (batch, vocabulary, length)."""

    def __init__(self, width: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary(), width)
        self.position = nn.Parameter(torch.randn(1, 48, width) * 0.02)
        self.encoder = encoder(width, dropout)
        self.head = nn.Linear(width, vocabulary())

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each next character."""
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        states = self.encoder(self.embedding(x) + self.position, mask=mask, is_causal=True)
        logits: Tensor = self.head(states).transpose(1, 2)
        return logits


class CharRNN(nn.Module):
    """A recurrent network of kind RNN, GRU or LSTM; its logits have shape (batch, vocabulary, length)."""

    def __init__(self, kind: str, width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary(), width)
        self.cells = getattr(nn, kind)(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary())

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each next character."""
        states, _ = self.cells(self.embedding(x))
        logits: Tensor = self.head(states).transpose(1, 2)
        return logits


def char_mlp(width: int = 16) -> nn.Sequential:
    """Return a network that predicts a character from those just before it (Bengio 2003)."""
    words = [nn.Embedding(vocabulary(), width), nn.Flatten()]
    return nn.Sequential(*words, *mlp([CONTEXT * width, 128, vocabulary()], "Tanh"))


class WordTransformer(nn.Module):
    """A causal transformer of two layers that norms first (Xiong 2020, arXiv 2002.04745) and ties its embeddings.

    Its logits have shape (batch, vocabulary, length).
    """

    def __init__(self, width: int = 48, dropout: float = 0.1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.position = nn.Parameter(torch.randn(1, WORDS, width) * 0.02)
        self.encoder = encoder(width, dropout, norm_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each next word."""
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        states = self.norm(self.encoder(self.embedding(x) + self.position, mask=mask, is_causal=True))
        logits: Tensor = (states @ self.embedding.weight.T).transpose(1, 2)
        return logits


class WordLSTM(nn.Module):
    """Reads words in both directions and tells the module that they are from."""

    def __init__(self, width: int = 32, dropout: float = 0.3) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.cells = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * width, len(MODULES)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each module, from the largest value of every state along the text."""
        states, _ = self.cells(self.embedding(x))
        logits: Tensor = self.head(states.amax(1))
        return logits


class Forecaster(nn.Module):
    """A GRU that forecasts the next value of a sequence."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.cells = nn.GRU(1, width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the next value."""
        states, _ = self.cells(x)
        forecast: Tensor = self.head(states[:, -1])
        return forecast


class ByteCNN(nn.Module):
    """Convolutions along the bytes of a text (Zhang 2015, arXiv 1509.01626) that tell the module it is from."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(128, 16)
        self.body = nn.Sequential(
            nn.Conv1d(16, width, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(width, 2 * width, 5), nn.ReLU()
        )
        self.head = nn.Linear(2 * width, len(MODULES))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each module."""
        logits: Tensor = self.head(self.body(self.embedding(x).transpose(1, 2)).amax(2))
        return logits


def bag_of_words(width: int = 32) -> nn.Sequential:
    """Return a linear model on the mean of word embeddings (fastText, Joulin 2016, arXiv 1607.01759)."""
    return nn.Sequential(nn.EmbeddingBag(VOCABULARY, width), nn.Linear(width, len(MODULES)))


class WordPairs(nn.Module):
    """The log of how often two words meet, from a vector and a bias for each (GloVe, Pennington 2014, equation 7)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.words, self.contexts = (nn.Embedding(VOCABULARY, width) for _ in range(2))
        self.word_biases, self.context_biases = (nn.Embedding(VOCABULARY, 1) for _ in range(2))
        for table in (self.words, self.contexts, self.word_biases, self.context_biases):
            nn.init.uniform_(table.weight, -0.5 / width, 0.5 / width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logarithm for each pair."""
        word, context = x.unbind(1)
        biases = self.word_biases(word) + self.context_biases(context)
        logarithm: Tensor = (self.words(word) * self.contexts(context)).sum(1) + biases[:, 0]
        return logarithm


class TripletEncoder(nn.Module):
    """Places three bags of words on a sphere, shape (batch, 3, 16)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.EmbeddingBag(VOCABULARY, width), *mlp([width, 64, 16]))

    def forward(self, x: Tensor) -> Tensor:
        """Return unit vectors."""
        return nn.functional.normalize(self.body(x.flatten(0, 1)), dim=1).view(len(x), 3, -1)
