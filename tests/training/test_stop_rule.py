"""When a sweep has diverged: explosions, spikes, noise and constant losses."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from lrfind.training.stop_rule import StopRule

EXPLOSION = [1.0] * 10 + [0.8, 0.6, 0.4, 0.2] + [10.0**k for k in range(10)]


class TestStopRule:
    def first_stop(self, losses: list[float]) -> int | None:
        rule = StopRule()
        return next((index for index, loss in enumerate(losses) if rule.diverged(loss)), None)

    @given(scale=st.floats(1e-3, 1e6), shift=st.floats(-1e4, 1e4))
    def test_it_knows_no_scale_and_no_zero(self, scale: float, shift: float) -> None:
        assert self.first_stop(EXPLOSION) == 17
        stop = self.first_stop([scale * (loss + shift) for loss in EXPLOSION])
        assert stop is not None
        assert stop == 17

    def test_losses_below_zero_may_fall_for_ever(self) -> None:
        assert self.first_stop([-0.1 * index for index in range(300)]) is None

    def test_one_spike_is_no_divergence(self) -> None:
        losses = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9] * 5
        losses[17] = 1e6
        assert self.first_stop(losses) is None

    def test_a_loss_that_jumps_at_the_first_update_and_stays_has_diverged(self) -> None:
        stop = self.first_stop([3.0] + [1e31] * 100)
        assert stop is not None
        assert stop < 20

    def test_a_spike_does_not_widen_the_range(self) -> None:
        spiked = list(EXPLOSION)
        spiked[7] = 1e6
        assert self.first_stop(spiked) in (17, 18)

    def test_noise_with_heavy_tails_is_no_divergence(self) -> None:
        generator = torch.Generator().manual_seed(0)
        stops = [
            self.first_stop(torch.empty(400).log_normal_(0, 1.5, generator=generator).tolist()) for _ in range(100)
        ]
        assert sum(stop is not None for stop in stops) <= 5

    def test_noise_is_no_divergence(self) -> None:
        generator = torch.Generator().manual_seed(0)
        assert self.first_stop((2 + torch.randn(5000, generator=generator)).tolist()) is None

    def test_a_constant_loss_is_no_divergence(self) -> None:
        assert self.first_stop([0.7] * 100) is None
        assert self.first_stop([0.0] * 100) is None

    def test_a_return_to_the_plateau_is_no_divergence(self) -> None:
        assert self.first_stop([1.0] * 10 + [0.2] * 10 + [1.5] * 10) is None
