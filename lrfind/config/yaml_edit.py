"""Setting values in the text of a YAML file. All other bytes stay: comments, order, quoting, line ends.

PyYAML says where in the text each node lies. New values are written in flow style, in one line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

Key = str | int
"""A key of a mapping, or an index of a list."""

_ALIAS = "alias"
_BREAKS = "\r\n\x85\u2028\u2029"  # of lines, in YAML 1.1


class CannotEditError(Exception):
    """A value cannot be set without rewriting more of the file than the value."""


def set_value(text: str, path: Sequence[Key], value: Any) -> str:
    """Return `text` with the value at `path` replaced, or added if there is none.

    If other places share the value, by an anchor, it changes there as well.

    Args:
        text: A YAML document, a mapping at its top.
        path: Keys and indices from the top, at least one.
        value: Made of mappings, lists, text, numbers, booleans and None.

    Raises:
        CannotEditError: The place is an alias, or its value is a block of several lines.
        yaml.YAMLError: The text is no YAML.
    """
    node: Any = yaml.compose(text, Loader=_Loader)
    for depth, key in enumerate(path):
        below = path[depth + 1 :]
        child = _child(node, key)
        if child is None:
            return _insert(text, node, str(key), _nested(below, value))
        if not below or (child.tag != _ALIAS and not child.value):
            return _replace(text, child, _nested(below, value))
        node = child
    return text


def differences(old: Any, new: Any, path: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], Any]]:
    """Yield each path at which `new` differs from `old` or adds to it, with the new value."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in new.items():
            if key in old:
                yield from differences(old[key], value, (*path, key))
            else:
                yield (*path, key), value
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, other, (*path, index))
    elif repr(old) != repr(new):  # also tells 1 from True, and knows nan again
        yield path, new


class _Loader(yaml.SafeLoader):
    """Composes an alias as a node at its own place, not as the node it refers to."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if not self.check_event(yaml.AliasEvent):
            return super().compose_node(parent, index)
        event: Any = self.get_event()  # type: ignore[no-untyped-call]
        return yaml.ScalarNode(_ALIAS, event.anchor, event.start_mark, event.end_mark)


def _child(node: yaml.Node, key: Key) -> Any:
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
        return node.value[key]
    if not isinstance(node, yaml.MappingNode):
        raise CannotEditError("it comes from elsewhere by a reference")
    return next((value for name, value in node.value if name.value == str(key)), None)


def _replace(text: str, node: yaml.ScalarNode | yaml.CollectionNode, value: Any) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    if not _in_line(node):
        raise CannotEditError("it stands on lines of its own")
    if node.tag != _ALIAS and (properties := re.match(r"(?:[&!]\S*\s+)+", text[start:end])):
        start += properties.end()  # the anchor stays, as others refer to it
    space = "" if text[start - 1 : start] in ("", " ", "[", "{", *_BREAKS) else " "
    return f"{text[:start]}{space}{_flow(value)}{text[end:]}"


def _insert(text: str, node: yaml.MappingNode, key: str, value: Any) -> str:
    """Return `text` with an entry more in a mapping: below its first one that ends where its value does."""
    if not node.value:
        return _replace(text, node, {key: value})
    first = node.value[0][0]
    quote = first.style or ""
    entry = f"{quote}{key}{quote}: {_flow(value)}"
    line_break = next(iter(re.findall(r"\r\n|\n|\r", text)), "\n")
    between = ", " if node.flow_style else line_break + " " * first.start_mark.column
    place = next((end for _, end in node.value if _in_line(end)), None)
    if place is None:
        start = first.start_mark.index
        return f"{text[:start]}{entry}{between}{text[start:]}"
    end = place.end_mark.index
    if not node.flow_style:  # a comment behind the value stays there
        rest = re.compile(f"[^{_BREAKS}]*").match(text, end)
        end = rest.end() if rest else end
    return f"{text[:end]}{between}{entry}{text[end:]}"


def _in_line(node: yaml.ScalarNode | yaml.CollectionNode) -> bool:
    """Tell whether a node ends with its own text; the mark of one in block style lies at the next node."""
    return bool(node.flow_style) if isinstance(node, yaml.CollectionNode) else node.style not in ("|", ">")


def _nested(path: Sequence[Key], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _flow(value: Any) -> str:
    listed = yaml.safe_dump([value], default_flow_style=True, width=math.inf, sort_keys=False, allow_unicode=True)
    return listed.strip()[1:-1]
