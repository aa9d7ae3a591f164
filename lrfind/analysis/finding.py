"""What is said of a learning rate that was read from a curve: what the curve shows, and what it does not."""

from __future__ import annotations

from lrfind.analysis.reading import Reading

EVIDENT = 7.5
"""Standard errors from which no longer sweep is wanted: in 100 steps over 8 decades, the depth of a descent three times
as large as the noise from batch to batch, which shows in the single mini-batches."""

MENTIONED = 2.0
"""From this factor on it is said how far the end of the descent was moved: less is no other learning rate."""


def finding(reading: Reading) -> str:
    """Return what a curve shows, in a sentence or two, with what to do next."""
    parts = (_shape(reading), _start(reading), _pace(reading))
    return " ".join(filter(None, parts))


def _shape(reading: Reading) -> str:
    if reading.landmarks.significance < EVIDENT:
        return "The descent is small against the noise between batches: raise $max_iter to be surer."
    valleys = reading.valleys
    if valleys.hump is not None and valleys.second is not None:
        first, hump, second = map(reading.lr_at, (valleys.floor, valleys.hump, valleys.second))
        return (
            f"The curve has two valleys, at {first:.3g} and at {second:.3g}, with a hump at {hump:.3g} between them. "
            "The lower learning rate is the safer one; short trainings at both tell which is better."
        )
    if reading.landmarks.divergence_lr is None and reading.rise_lr is None:
        return "The loss falls up to here. The sweep does not show how far above it is safe: raise $end_lr to see it."
    return "The loss falls steadily up to here, and rises or blows up only well above."


def _start(reading: Reading) -> str:
    if reading.shows_plateau or reading.rise_alone:
        return ""
    return (
        f"It falls from the first learning rate ({reading.lr_at(0):.3g}) on: there is no plateau to measure the "
        "descent from, so its end may lie lower. Lower $start_lr to see it."
    )


def _pace(reading: Reading) -> str:
    end = reading.landmarks.descent_end_lr
    if reading.rise_alone and reading.rise_lr is not None:
        why = f"the floor from {end:.3g} on is long" if reading.shows_plateau else "no plateau shows its begin"
        return (
            f"How many updates a point stands for is unknown, and with it where the descent belongs ({why}): the rise "
            f"at {reading.rise_lr:.3g} alone is read. Say how many: $updates_per_point."
        )
    if not reading.counted:
        return "Each point is taken as one update; if it stands for more, say how many: $updates_per_point."
    slower, moved = reading.moved(end) / end, reading.usual(end) / end
    if slower < MENTIONED:
        return ""
    goal = "by as much" if moved == slower else "as far as the rise allows"
    return (
        f"The descent ends at {end:.3g}, where this sweep has spent {slower:.3g} times the updates of the usual one, "
        f"so the reading is moved up {goal}."
    )
