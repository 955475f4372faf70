"""A fresh world for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Database
from tests.security_tests.builders import World


@pytest.fixture
def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(database, tmp_path, monkeypatch)
