from __future__ import annotations

import sys
import threading
from typing import Any

from lrfind.scripts.steps_within import StepsWithin


class Rates:
    """Notes that learning rates are put back."""

    def __init__(self) -> None:
        self.restored = 0

    def restore(self) -> None:
        self.restored += 1


def rates() -> Any:
    return Rates()


def test_an_inner_step_is_left_before_the_outer_one() -> None:
    within, outer, inner = StepsWithin(), rates(), rates()
    frame = sys._getframe()
    assert not within
    within.enter(frame, outer)
    within.enter(frame, inner)
    assert within.leave() is inner
    assert within
    assert within.leave() is outer
    assert not within
    assert (outer.restored, inner.restored) == (1, 1)


def test_only_steps_that_have_raised_are_given_up() -> None:
    within, outer, failed = StepsWithin(), rates(), rates()
    within.enter(sys._getframe(), outer)

    def fails() -> None:
        within.enter(sys._getframe(), failed)

    fails()
    within.leave_failed(sys._getframe())
    assert (outer.restored, failed.restored) == (0, 1)
    assert within.leave() is outer


def test_threads_that_step_side_by_side_do_not_meet() -> None:
    within, own, other = StepsWithin(), rates(), rates()
    within.enter(sys._getframe(), own)
    seen = []

    def steps() -> None:
        seen.append(bool(within))
        within.enter(sys._getframe(), other)
        within.leave()

    thread = threading.Thread(target=steps)
    thread.start()
    thread.join()
    assert seen == [False]
    assert (own.restored, other.restored) == (0, 1)
    assert within.leave() is own
