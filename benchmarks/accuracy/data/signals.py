"""Series in time, made by formulas: tones, the load of a grid, wind, weather, a machine that fails, a sound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from accuracy.data.base import Samples, floats, standard

TONE = 96
"""Values of a tone."""

BINS = TONE // 2 + 1
"""Frequencies of its spectrum."""

INSTRUMENTS, PITCHES = 6, 8
"""What plays a tone, and how high it is."""

HOURS = 24
"""Hours that a forecast sees."""


def _played() -> tuple[Tensor, Tensor, Tensor]:
    """Return tones in noise, shape (n, TONE), their instruments, and their pitches.

    An instrument is how loud each of six harmonics is; the phases are free.
    """
    random = np.random.RandomState(0)
    loudness = random.dirichlet(np.ones(6), INSTRUMENTS)
    instruments, pitches = random.randint(0, INSTRUMENTS, 2400), random.randint(0, PITCHES, 2400)
    pitch = 0.02 * 1.1 ** (pitches + random.uniform(-0.4, 0.4, 2400))
    harmonics = np.arange(1, 7)
    phases = 2 * np.pi * random.uniform(size=(2400, 6))
    angles = 2 * np.pi * pitch[:, None, None] * harmonics[:, None] * np.arange(TONE) + phases[:, :, None]
    tones = (loudness[instruments][:, :, None] * np.sin(angles)).sum(1)
    tones = tones / tones.std(1, keepdims=True) + random.normal(0, 0.4, tones.shape)
    return floats(tones), torch.tensor(instruments), torch.tensor(pitches)


def _tones() -> Samples:
    """Return tones and which instrument plays them."""
    tones, instruments, _ = _played()
    return tones, instruments


def pitches() -> Samples:
    """Return tones and how high they are: what a network knows before it is told of instruments."""
    tones, _, heights = _played()
    return tones, heights


def _spectra() -> Samples:
    """Return the spectra of the tones as log(1 + amplitude), standardised, twice: to be rebuilt."""
    spectra = torch.fft.rfft(_played()[0]).abs().log1p()
    rows = floats(standard(spectra.numpy()))
    return rows, rows


def _tone_views() -> Samples:
    """Return two noisy spectra of every tone, each played with phases of its own, shape (n, 2, BINS), and its number.

    Tones differ in their pitch and in how loud each harmonic is.
    """
    random = np.random.RandomState(5)
    loudness, pitch = random.dirichlet(np.ones(6), 2000)[:, None, :, None], 0.02 * 2 ** random.uniform(size=2000)
    phases = 2 * np.pi * random.uniform(size=(2000, 2, 6, 1))
    angles = 2 * np.pi * pitch[:, None, None, None] * np.arange(1, 7)[:, None] * np.arange(TONE) + phases
    tones = (loudness * np.sin(angles)).sum(2)
    noisy = tones / tones.std(2, keepdims=True) + random.normal(0, 0.4, tones.shape)
    spectra = np.log1p(np.abs(np.fft.rfft(noisy)))
    return floats(standard(spectra.reshape(-1, BINS)).reshape(2000, 2, BINS)), torch.arange(2000)


def _load() -> Samples:
    """Return the load of a grid and the temperature in 24 hours, shape (n, HOURS, 2), and the next load, shape (n, 1).

    It has days, weeks, and heating below a threshold; standardised.
    """
    random = np.random.RandomState(1)
    hours = np.arange(24 * 150)
    temperature = 8 * np.sin(2 * np.pi * hours / (24 * 120)) + 4 * np.sin(2 * np.pi * (hours - 9) / 24) + 12
    temperature = temperature + _drifting(random, len(hours), 0.97, 0.8)
    day = 10 * np.sin(2 * np.pi * (hours - 7) / 24) + 4 * np.sin(4 * np.pi * (hours - 3) / 24)
    weekend = (hours // 24 % 7 > 4) * -8
    load = 60 + day + weekend + 0.9 * np.maximum(14 - temperature, 0) + _drifting(random, len(hours), 0.8, 1.5)
    series = floats(standard(np.stack([load, temperature], 1)))
    return series.unfold(0, HOURS, 1)[:-1].transpose(1, 2).contiguous(), series[HOURS:, :1]


def _drifting(random: np.random.RandomState, length: int, memory: float, size: float) -> np.ndarray:
    """Return noise in which each value keeps a share of the one before."""
    values = random.normal(0, size, length)
    for step in range(1, length):
        values[step] += memory * values[step - 1]
    return values


def _wind() -> Samples:
    """Return the power of a wind farm in 24 hours, 0 to 1, and that three hours later, shape (n, 1).

    It is surest where there is no wind or a storm.
    """
    random = np.random.RandomState(2)
    speed = 1.2 * _drifting(random, 5000, 0.93, 0.35) + 0.7 * np.sin(2 * np.pi * np.arange(5000) / 24)
    power = floats(1 / (1 + np.exp(-1.5 * speed)))
    return power.unfold(0, HOURS, 1)[:-3].contiguous(), power[HOURS + 2 :, None]


def _kelvin() -> Samples:
    """Return the temperature of 24 hours, standardised, and that a day later in kelvin: mean 285, deviation 8."""
    random = np.random.RandomState(3)
    hours = np.arange(4000)
    swing = 8 * np.sin(2 * np.pi * hours / 2000) + 5 * np.sin(2 * np.pi * hours / 24)
    series = 285 + swing + _drifting(random, len(hours), 0.98, 0.7)
    windows = floats(standard(series)).unfold(0, HOURS, 1)
    return windows[:-HOURS].contiguous(), floats(series)[2 * HOURS - 1 :, None]


def _faults() -> Samples:
    """Return the vibration of a machine in windows, shape (n, TONE), and whether a bearing is broken, shape (n, 1).

    One window in 20 is of a broken one: faint knocks that ring.
    """
    random = np.random.RandomState(4)
    time = np.arange(TONE)
    phases = 2 * np.pi * random.uniform(size=(4000, 2))
    hum = np.sin(0.31 * time + phases[:, :1]) + 0.5 * np.sin(0.93 * time + phases[:, 1:])
    broken = random.uniform(size=4000) < 0.05
    ringing = np.exp(-(time % 32) / 6) * np.sin(1.9 * time)
    knocks = np.stack([np.roll(ringing, shift) for shift in random.randint(0, 32, 4000)])
    size = broken * random.uniform(0.6, 1.6, 4000)
    windows = hum + size[:, None] * knocks + random.normal(0, 0.35, hum.shape)
    return floats(windows), floats(broken)[:, None]


def _sound() -> Samples:
    """Return moments in -1 to 1 and the value of a sound there: a chirp and a chord that dies away, shape (n, 1)."""
    time = np.linspace(-1, 1, 8000)
    chirp = 0.5 * np.sin(2 * np.pi * (4 * time + 5 * time**2))
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (8, 10, 12.5)) * np.exp(-1.5 * (time + 1))
    return floats(time)[:, None], floats(standard(chirp + 0.5 * chord))[:, None]


SOURCES: dict[str, Callable[[], Samples]] = {
    "tones": _tones,
    "few_tones": _tones,
    "spectra": _spectra,
    "tone_views": _tone_views,
    "load": _load,
    "wind": _wind,
    "kelvin": _kelvin,
    "faults": _faults,
    "sound": _sound,
}
