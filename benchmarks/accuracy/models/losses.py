"""The losses that torch does not bring along, or takes more than two arguments for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class VAELoss(nn.Module):
    """The negative evidence lower bound, in nats per picture."""

    def forward(self, output: Tensor, picture: Tensor) -> Tensor:
        """Return the mean over the batch."""
        logits, mean, log_variance = output[:, :64], output[:, 64:72], output[:, 72:]
        rebuilt = functional.binary_cross_entropy_with_logits(logits, picture, reduction="none").sum(1)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        bound: Tensor = (rebuilt + divergence).mean()
        return bound


class ContrastiveLoss(nn.Module):
    """InfoNCE at temperature 0.2: which of the second views in the batch belongs to this first one?"""

    def forward(self, output: Tensor, label: Tensor) -> Tensor:
        """Return the cross-entropy; the label is not used."""
        similarity = output[:, 0] @ output[:, 1].T / 0.2
        return functional.cross_entropy(similarity, torch.arange(len(output)))


class NTXentLoss(nn.Module):
    """Cross-entropy of which other view is of the same sample (SimCLR, Chen 2020, arXiv 2002.05709, equation 1)."""

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, output: Tensor, label: Tensor) -> Tensor:
        """Return the mean over all views, from vectors of shape (batch, 2, width); the label is not used."""
        views = torch.cat([output[:, 0], output[:, 1]])
        itself = torch.eye(len(views), dtype=torch.bool)
        similarity = (views @ views.T / self.temperature).masked_fill(itself, -torch.inf)
        return functional.cross_entropy(similarity, torch.arange(len(views)).roll(len(output)))


class TripletLoss(nn.Module):
    """The triplet loss with margin 0.2 (FaceNet, Schroff 2015, arXiv 1503.03832, equation 2)."""

    def forward(self, output: Tensor, label: Tensor) -> Tensor:
        """Return the mean over the batch; the label is not used."""
        anchor, positive, negative = output.unbind(1)
        near, far = ((anchor - other).square().sum(1) for other in (positive, negative))
        return (near - far + 0.2).clamp(min=0).mean()


class GaussianLoss(nn.Module):
    """The negative log-likelihood of a normal distribution, from its mean and the log of its variance side by side."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the batch, constant included (Nix 1994)."""
        mean, log_variance = output.chunk(2, 1)
        return functional.gaussian_nll_loss(mean, target, log_variance.exp(), full=True)


class DistillationLoss(nn.Module):
    """The divergence of a student's distribution from its teacher's (Hinton 2015, arXiv 1503.02531)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the batch."""
        return functional.kl_div(output.log_softmax(1), target, reduction="batchmean")


class ClipLoss(nn.Module):
    """InfoNCE both ways, its temperature in the embeddings (CLIP, Radford 2021, arXiv 2103.00020, figure 3)."""

    def forward(self, output: Tensor, label: Tensor) -> Tensor:
        """Return the mean of both cross-entropies; the label is not used."""
        similarity = output[:, 0] @ output[:, 1].T
        pairs = torch.arange(len(output))
        return (functional.cross_entropy(similarity, pairs) + functional.cross_entropy(similarity.T, pairs)) / 2


class ArcFaceLoss(nn.Module):
    """Cross-entropy of scaled cosines, that of the class after a margin on its angle (Deng 2018, arXiv 1801.07698)."""

    def __init__(self, scale: float = 16.0, margin: float = 0.3) -> None:
        super().__init__()
        self.scale, self.margin = scale, margin

    def forward(self, cosines: Tensor, label: Tensor) -> Tensor:
        """Return the mean over the batch (equation 3)."""
        angles = cosines.clamp(-1 + 1e-6, 1 - 1e-6).acos()
        margins = self.margin * functional.one_hot(label, cosines.shape[1])
        return functional.cross_entropy(self.scale * (angles + margins).cos(), label)


class TeacherLoss(nn.Module):
    """A teacher's distribution at a temperature, and the label (Hinton 2015, arXiv 1503.02531, section 2)."""

    def __init__(self, temperature: float = 4.0, share: float = 0.9) -> None:
        super().__init__()
        self.temperature, self.share = temperature, share

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the batch; the target holds the teacher's logits and then the label."""
        soft = (target[:, :-1] / self.temperature).softmax(1)
        student = (output / self.temperature).log_softmax(1)
        distance = self.temperature**2 * functional.kl_div(student, soft, reduction="batchmean")
        return self.share * distance + (1 - self.share) * functional.cross_entropy(output, target[:, -1].long())
