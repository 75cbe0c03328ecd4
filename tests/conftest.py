"""Fixtures of the real servers, by module: pytest finds them here and nowhere else."""

import pytest

pytest.register_assert_rewrite("tests.contract")
pytest_plugins = ["tests.imap_fixtures", "tests.rt_fixtures", "tests.model_fixtures"]
