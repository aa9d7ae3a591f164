"""What strangers put where something else belongs, and how they break a tree of values."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

Place = tuple[Any, ...]
"""Keys and indices from the top of a tree."""

CONTROLS = ("\0", "\x07", "\x1b[31m", "\x1b]0;title\x07", "\r", "\x85", "\u2028", "\u202e", "\ufeff", "\ud800", "\t")
TEXTS = (
    "",
    " ",
    "x",
    "é",
    "名前",
    "🙂",
    "~",
    "-",
    "nan",
    "1e-3",
    "None",
    "a/../x",
    "~nouser/x",
    "/dev/null",
    *CONTROLS,
)
NUMBERS = (0, 1, -1, 2, 5, 0.5, 1e-320, 1e-30, 1e30, 1e308, 2**31, 2**63, 10**12, 10**400, 10**4500, -(10**30))
FLOATS = (float("nan"), float("inf"), float("-inf"), -0.0)
EMPTY: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": 1})


def nested(levels: int) -> Any:
    """Return a list in a list in a list."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def any_value(rng: random.Random) -> Any:
    """Return a value that hardly belongs anywhere."""
    kind = rng.randrange(10)
    if kind < 3:
        return rng.choice(NUMBERS)
    if kind < 6:
        return rng.choice(TEXTS) + rng.choice(("", rng.choice(TEXTS)))
    if kind < 8:
        return copy.deepcopy(rng.choice(EMPTY))
    if kind < 9:
        return rng.choice(FLOATS)
    return rng.choice((nested(rng.choice((3, 60, 200))), "x" * rng.choice((300, 10**6)), list(range(3000))))


def places(value: Any, above: Place = ()) -> list[Place]:
    """Return the place of every value in a tree down to 20 levels; of a list the first three and the last."""
    if len(above) == 20:
        return []
    if isinstance(value, dict):
        items = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, list) else []
        items = items if len(items) < 5 else [*items[:3], items[-1]]
    return [place for key, item in items for place in ((*above, key), *places(item, (*above, key)))]


def at(tree: Any, place: Place) -> Any:
    """Return what stands at a place."""
    for key in place:
        tree = tree[key]
    return tree


def broken(tree: Any, rng: random.Random, value: Callable[[random.Random, Place], Any]) -> str:
    """Break a tree at one place, and return how.

    Args:
        tree: Mappings and lists; is changed.
        rng: Where chance comes from.
        value: Returns what is put at a place.
    """
    every = places(tree)
    if not every:
        return "nothing"
    place = rng.choice(every)
    holder, key = at(tree, place[:-1]), place[-1]
    way = rng.choice(("drop", "set", "set", "set", "null", "wrap", "move", "rename", "add"))
    if way == "drop":
        del holder[key]
    elif way == "set":
        holder[key] = value(rng, place)
    elif way == "null":
        holder[key] = None
    elif way == "wrap":
        holder[key] = rng.choice(([holder[key]], {"a": holder[key]}, str(holder[key])[:1000]))
    elif way == "move":
        holder[key] = copy.deepcopy(at(tree, rng.choice(every)))
    elif isinstance(holder, list):
        holder[key:key] = holder[key : key + 1] * rng.choice((1, 2, 50))
    elif way == "rename":
        holder[f"{key}{rng.choice(TEXTS)}"] = holder.pop(key)
    else:
        holder[rng.choice((*TEXTS, "lr", "_target_", "_args_"))] = value(rng, (*place[:-1], "new"))
    return f"{way} {'.'.join(map(str, place))}"[:200]
