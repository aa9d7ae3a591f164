"""Losses for what is counted, ranked, censored or logged."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class CoxLoss(nn.Module):
    """The negative partial log-likelihood of a proportional hazard (Cox 1972; DeepSurv, Katzman 2016, equation 4)."""

    def forward(self, risk: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the deaths in the batch; the target holds the time, and whether it ended in death."""
        order = target[:, 0].argsort(descending=True)
        log_risk, death = risk[order, 0], target[order, 1]
        likelihoods = log_risk - log_risk.logcumsumexp(0)  # over all who were followed for as long
        return -(likelihoods * death).sum() / death.sum().clamp(min=1)


class PinballLoss(nn.Module):
    """The loss whose best predictions are quantiles (Koenker 1978)."""

    def __init__(self, quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)) -> None:
        super().__init__()
        self.quantiles = tuple(quantiles)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean over batch and quantiles, of outputs of shape (batch, quantiles)."""
        below = target - output
        shares = output.new_tensor(self.quantiles)
        return torch.maximum(shares * below, (shares - 1) * below).mean()


class GammaLoss(nn.Module):
    """The negative log-likelihood of a gamma distribution but for its shape, from the log of its mean."""

    def forward(self, log_mean: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the batch."""
        return (target * (-log_mean).exp() + log_mean).mean()


class WeightedTasksLoss(nn.Module):
    """Three losses, weighted by learned log-variances (Kendall 2017, arXiv 1705.07115, equation 7).

    They are the cross-entropy of an event, the squared error of a number, and the Poisson deviance of a count.
    """

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return their weighted sum, from the outputs and log-variances side by side."""
        event, number, log_rate = output[:, 0], output[:, 1], output[:, 2]
        count = target[:, 2]
        deviance = log_rate.exp() - count * log_rate + torch.special.xlogy(count, count) - count
        losses = torch.stack(
            [
                functional.binary_cross_entropy_with_logits(event, target[:, 0]),
                functional.mse_loss(number, target[:, 1]),
                deviance.mean(),
            ]
        )
        log_variances = output[0, 3:]  # the same for all samples
        return (losses * (-log_variances).exp() + log_variances).sum()


class LoggedPolicyLoss(nn.Module):
    """The negative reward of a policy, judged by logged actions (Swaminathan 2015, arXiv 1502.02362, equation 2).

    The entropy of the policy counts as a reward too, as in Mnih 2016 (arXiv 1602.01783), so that it stays open.
    """

    def __init__(self, openness: float = 0.05) -> None:
        super().__init__()
        self.openness = openness

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the negative mean reward; the target holds action, reward, and how likely the action was."""
        action, reward, chance = target.unbind(1)
        log_policy = logits.log_softmax(1)
        likely = log_policy.gather(1, action.long()[:, None])[:, 0].exp()
        entropy = -(log_policy.exp() * log_policy).sum(1)
        return -(reward * likely / chance + self.openness * entropy).mean()


class FocalLoss(nn.Module):
    """Cross-entropy that counts clear cases less (Lin 2017, arXiv 1708.02002, equation 5)."""

    def __init__(self, gamma: float = 2.0, alpha: float = 0.25) -> None:
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logit: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the batch."""
        entropy = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
        weight = self.alpha * target + (1 - self.alpha) * (1 - target)
        return (weight * (1 - (-entropy).exp()) ** self.gamma * entropy).mean()
