"""Networks for pictures: convolutions, patches and what mixes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from accuracy.models.dense import mlp
from accuracy.models.sequences import encoder


def cnn(norm: bool = True) -> nn.Sequential:
    """Return three convolutions on an 8x8 picture, with BatchNorm or without."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        normed: list[nn.Module] = [nn.BatchNorm2d(outputs)] if norm else []
        return [nn.Conv2d(inputs, outputs, 3, padding=1), *normed, nn.ReLU()]

    body = [*block(1, 16), *block(16, 16), nn.MaxPool2d(2), *block(16, 32), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *body, nn.Flatten(), nn.Linear(128, 10))


class Residual(nn.Module):
    """A residual block with BatchNorm; a stride of 2 halves the picture."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.short: nn.Module = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the block and its shortcut, rectified."""
        return functional.relu(self.body(x) + self.short(x))


def resnet() -> nn.Sequential:
    """Return a ResNet of two blocks on an 8x8 picture."""
    stem = [nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 12, 3, padding=1), nn.ReLU()]
    return nn.Sequential(
        *stem, Residual(12, 12), Residual(12, 24, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)
    )


class PreActivation(nn.Module):
    """A residual block that norms and rectifies first (He 2016, arXiv 1603.05027)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        )
        self.short: nn.Module = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the block and its shortcut."""
        x = self.first(x)
        total: Tensor = self.body(x) + self.short(x)
        return total


def preact_resnet() -> nn.Sequential:
    """Return a pre-activation ResNet of three blocks on an 8x8 picture."""
    blocks = [PreActivation(12, 12), PreActivation(12, 24, 2), PreActivation(24, 24)]
    tail = [nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)]
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 12, 3, padding=1, bias=False), *blocks, *tail)


def separable_cnn(classes: int) -> nn.Sequential:
    """Return depthwise separable convolutions on an 8x8 picture (MobileNet, Howard 2017, arXiv 1704.04861)."""

    def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False)
        pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        return [depthwise, nn.BatchNorm2d(inputs), nn.ReLU6(), pointwise, nn.BatchNorm2d(outputs), nn.ReLU6()]

    stem = [nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU6()]
    body = [*block(12, 24, 1), *block(24, 32, 2)]
    return nn.Sequential(*stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes))


def group_cnn(classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Return three convolutions with GroupNorm (Wu 2018, arXiv 1803.08494) and SiLU on an 8x8 picture."""

    def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.GroupNorm(4, outputs), nn.SiLU()]

    body = [*block(1, 16, 1), *block(16, 24, 2), *block(24, 32, 2)]
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), *body, nn.Flatten(), nn.Dropout(dropout), nn.Linear(4 * 32, classes)
    )


def colour_cnn(classes: int) -> nn.Sequential:
    """Return three strided convolutions with GroupNorm on an 8x8 picture in colours."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, 2, padding=1), nn.GroupNorm(4, outputs), nn.ReLU()]

    return nn.Sequential(*block(3, 16), *block(16, 32), nn.Flatten(), nn.Linear(4 * 32, classes))


class Mixing(nn.Module):
    """A layer of the MLP-Mixer: one MLP along the patches of a picture, one along their channels."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.patches = nn.Sequential(nn.LayerNorm(width), Transposed(mlp([patches, patches, patches], "GELU")))
        self.channels = nn.Sequential(nn.LayerNorm(width), *mlp([width, 2 * width, width], "GELU"))

    def forward(self, x: Tensor) -> Tensor:
        """Return the mixed patches, shape (batch, patches, width) as before."""
        x = x + self.patches(x)
        mixed: Tensor = x + self.channels(x)
        return mixed


class Transposed(nn.Module):
    """Calls a module with the last two axes exchanged."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Return the output with the axes back in place."""
        output: Tensor = self.module(x.transpose(1, 2)).transpose(1, 2)
        return output


class Mixer(nn.Module):
    """An MLP-Mixer of two layers on the 4x4 patches of an 8x16 picture (Tolstikhin 2021, arXiv 2105.01601).

    It reads two digits at once: its logits have shape (batch, 10, 2).
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(1, width, 4, 4)
        self.layers = nn.Sequential(Mixing(8, width), Mixing(8, width), nn.LayerNorm(width))
        self.head = nn.Linear(width, 20)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of both digits."""
        patches = self.embedding(x[:, None]).flatten(2).transpose(1, 2)
        logits: Tensor = self.head(self.layers(patches).mean(1))
        return logits.view(-1, 10, 2)


class Inpainter(nn.Module):
    """Fills the hole in a 16x16 picture: a convolutional encoder and decoder with one skip (Ronneberger 2015)."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU())
        self.coarse = nn.Sequential(
            nn.Conv2d(width, 2 * width, 3, 2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, 2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, 2 * width, 2, 2),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 2, 2),
            nn.ReLU(),
        )
        self.head = nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the whole picture."""
        fine = self.fine(x)
        whole: Tensor = self.head(torch.cat([fine, self.coarse(fine)], 1))
        return whole


class ViT(nn.Module):
    """A transformer of two layers on the 2x2 patches of an 8x8 picture."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Linear(4, width)
        self.position = nn.Parameter(torch.randn(1, 16, width) * 0.02)
        self.encoder = encoder(width, 0.0)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of 10 classes."""
        patches = x.view(-1, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(-1, 16, 4)
        logits: Tensor = self.head(self.encoder(self.embedding(patches) + self.position).mean(1))
        return logits
