"""What must be true, in the shape of the house: tests/connectors, tests/daemon, tests/trainer; helpers beside them."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The folder that is cloned."""
