"""Fixtures of the real servers, by module: pytest finds them here and nowhere else."""

pytest_plugins = ["tests.imap_fixtures", "tests.rt_fixtures", "tests.model_fixtures"]
