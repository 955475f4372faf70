"""What the tests of this folder share besides the common fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _hurried_commits() -> Iterator[None]:
    """A database that lives as long as one test need not wait for its disk at every commit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGOPTIONS", "-c synchronous_commit=off")
        yield
