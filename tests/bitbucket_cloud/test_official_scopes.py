"""The table of endpoints says what Bitbucket's official document says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bitbucket_cloud.endpoints import ENDPOINTS

DOCUMENT = Path(__file__).parents[3] / "shared/bitbucket/openapi/scopes-all-ops-2026-08-15.json"


@pytest.fixture(scope="module")
def official() -> dict[str, Any]:
    if not DOCUMENT.exists():
        pytest.skip(f"the official list of operations is not beside the repository ({DOCUMENT.name})")
    operations = json.loads(DOCUMENT.read_text())
    return {operation["path"]: operation for operation in operations if operation["method"] == "GET"}


@pytest.mark.parametrize("name", list(ENDPOINTS))
def test_path_and_scopes_are_the_official_ones(official: dict[str, Any], name: str) -> None:
    endpoint = ENDPOINTS[name]
    assert endpoint.path in official
    assert endpoint.scopes == set(official[endpoint.path]["oauth2"])
    assert not official[endpoint.path]["deprecated"]
