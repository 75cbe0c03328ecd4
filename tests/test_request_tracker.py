"""Request Tracker: the shared contract and its own habits on a real RT, and the pure reading of its history."""

from __future__ import annotations

import pytest

from tests.contract import ConnectorTests, World
from tests.rt_fixtures import RtWorld


@pytest.mark.rt
class TestRequestTracker(ConnectorTests):
    """A real RT passes what every connector passes."""

    @pytest.fixture
    def world(self, rt_world: RtWorld) -> World:
        return rt_world
