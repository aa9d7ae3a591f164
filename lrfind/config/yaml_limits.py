"""Finding fault with the YAML of a config before values are made of it: too much, or not what its tags say."""

from __future__ import annotations

import yaml

from lrfind.errors import Fault, MisfitError, short

MOST_BYTES = 2**20
MOST_LEVELS = 50
"""Of nesting. Far more than any config has, and far fewer than OmegaConf can follow."""
SHALLOW = f"at most {MOST_LEVELS} levels of nesting"
MOST_VALUES = 100_000
"""Values, those behind an alias counted wherever it stands: nine aliases of nine aliases and so on never end."""

_TAG = "tag:yaml.org,2002:"
_PLAIN: dict[type[yaml.Node], str] = {yaml.MappingNode: f"{_TAG}map", yaml.SequenceNode: f"{_TAG}seq"}


class _Loader(yaml.SafeLoader):
    """Takes a date without a tag for text, as OmegaConf does."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        first: [resolver for resolver in resolvers if resolver[0] != f"{_TAG}timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def checked_nodes(text: str, key: str = "") -> yaml.Node | None:
    """Return the nodes of a YAML text, None if it is empty, from which OmegaConf can make values.

    Args:
        text: YAML.
        key: The config key whose value it is; "" for a whole config.

    Raises:
        MisfitError: It has too many values or levels, or a value that its tag does not fit.
        yaml.YAMLError: It is no YAML.
        RecursionError: It has a thousand levels.
    """
    loader = _Loader(text)
    try:
        root: yaml.Node | None = loader.get_single_node()
        if root is not None:
            _measured(loader, root, key, {})
        return root
    finally:
        loader.dispose()


def _measured(loader: _Loader, node: yaml.Node, key: str, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """Return how many values and levels a node has, its aliases followed; `known` are those of nodes met before."""
    if id(node) in known:
        if extent := known[id(node)]:
            return extent
        raise MisfitError(Fault(key, expected="values that are not nested in themselves", got="an alias of such"))
    known[id(node)] = None
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(loader, node, key)
        known[id(node)] = 1, 1
        return 1, 1
    if not isinstance(node, yaml.CollectionNode) or node.tag != _PLAIN[type(node)]:
        loader.construct_object(node)  # raises for a tag that is unknown
        raise MisfitError(Fault(key, expected="a mapping or a list without a tag", got=short(node.tag)))
    parts = [_measured(loader, inner, name, known) for name, inner in _inside(node, key)]
    values, levels = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
    if values > MOST_VALUES:
        expected = f"at most {MOST_VALUES:,} values, those behind an alias counted each time"
        raise MisfitError(Fault(key, expected=expected, got="more", fix="write out what is needed, without aliases"))
    if levels > MOST_LEVELS:
        raise MisfitError(Fault(key, expected=SHALLOW, got="more"))
    known[id(node)] = values, levels
    return values, levels


def _inside(node: yaml.CollectionNode, key: str) -> list[tuple[str, yaml.Node]]:
    """Return the nodes inside a mapping or a list, each with its key path."""
    if isinstance(node, yaml.SequenceNode):
        return [(f"{key}[{index}]", item) for index, item in enumerate(node.value)]
    pairs = [(f"{key}.{short(name.value).strip(chr(39))}".lstrip("."), name, value) for name, value in node.value]
    return [(path, each) for path, *pair in pairs for each in pair]


def _check_scalar(loader: _Loader, node: yaml.ScalarNode, key: str) -> None:
    if node.tag == f"{_TAG}merge":
        return
    try:
        loader.construct_object(node, deep=True)
    except yaml.YAMLError:
        raise
    except Exception as error:  # PyYAML's constructors raise whatever `int` and their likes do
        expected = f"a value that YAML reads as !!{node.tag.rpartition(':')[2]}"
        raise MisfitError(Fault(key, expected=expected, got=short(node.value))) from error
