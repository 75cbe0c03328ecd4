"""Fixtures of the real servers, by module: pytest finds them here and nowhere else."""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog

pytest.register_assert_rewrite("tests.contract")
pytest_plugins = ["tests.imap_fixtures", "tests.rt_fixtures", "tests.model_fixtures"]


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """A command that runs in this process closes its umask (daemon/state/private.py): not for the tests after it,
    whose servers' users could not read their own settings."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """A command that runs in this process sets the log to the stderr of its test, which is closed after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
