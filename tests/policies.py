"""A workspace's policy for a test, whether it asks for more or for less than before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bitbucket_compliance.security_tests.policies import decide, set_override
from tests.conftest import Database

SET_BY, ACCEPTED_BY = "os:ada", "os:bo"


def put_in_force(database: Database, workspace: str, changes: Mapping[str, Any], reason: str | None = "why") -> None:
    """Let a policy hold: proposed by one person and accepted by another where it has to be."""
    proposal = set_override(database, workspace, changes, set_by=SET_BY, reason=reason)
    if proposal:
        decide(database, proposal.override_id, "accept", decided_by=ACCEPTED_BY)
