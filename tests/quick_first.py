"""A plug-in for `make test`: logic first, then what needs servers, a model or time. A slip shows in seconds."""

import os

import pytest

COSTS = ("slow", "imap", "rt", "model")
"""Markers, the cheapest first."""

# Also for the daemons that the tests start: a log event that carries mail raises instead of being withheld.
os.environ.setdefault("POSTROOM_STRICT_LOGS", "1")


def cost(item: pytest.Item) -> int:
    """0 for a test of logic, else the position of its dearest marker."""
    return max((COSTS.index(mark.name) + 1 for mark in item.iter_markers() if mark.name in COSTS), default=0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by cost; within one cost the order of the files stays, so that module fixtures are made once."""
    items.sort(key=cost)
