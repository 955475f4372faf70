"""The table of endpoints says what Bitbucket's official document says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bitbucket_cloud.client.endpoints import ENDPOINTS

DOCUMENT = Path(__file__).parents[4] / "shared/bitbucket/openapi/scopes-all-ops-2026-08-15.json"


@pytest.fixture(scope="module")
def official() -> dict[tuple[str, str], dict[str, Any]]:
    if not DOCUMENT.exists():
        pytest.skip(f"the official list of operations is not beside the repository ({DOCUMENT.name})")
    operations = json.loads(DOCUMENT.read_text())
    return {(operation["method"], operation["path"]): operation for operation in operations}


@pytest.mark.parametrize("name", list(ENDPOINTS))
def test_method_path_and_scopes_are_the_official_ones(
    official: dict[tuple[str, str], dict[str, Any]], name: str
) -> None:
    endpoint = ENDPOINTS[name]
    if name == "pull_request_merge_checks":
        pytest.skip(
            "in the document since October 2026 only; tests/sandbox/test_sandbox_merge_checks.py holds its shape"
        )
    assert (endpoint.method, endpoint.path) in official
    operation = official[endpoint.method, endpoint.path]
    assert endpoint.scopes == set(operation["oauth2"])
    assert not operation["deprecated"]
