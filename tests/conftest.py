"""Fixtures of the real servers, by module: pytest finds them here and nowhere else."""

import os
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.contract")
pytest_plugins = ["tests.imap_fixtures", "tests.rt_fixtures", "tests.model_fixtures"]


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """A command that runs in this process closes its umask (daemon/state/private.py): not for the tests after it,
    whose servers' users could not read their own settings."""
    before = os.umask(0o022)
    yield
    os.umask(before)
