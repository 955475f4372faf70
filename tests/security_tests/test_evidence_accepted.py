"""From a file that is handed in to the verdict that rests on it, through the public functions alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bitbucket_compliance.registry.evidence import decide, submit
from tests.registry.files import picture
from tests.security_tests import builders
from tests.security_tests.builders import World, outcome


@pytest.fixture
def connection(world: World, shared_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """As commands open it, beside a world of today."""
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", (tmp_path / "store").as_uri())
    world.now = datetime.now(UTC)
    monkeypatch.setattr(builders, "READ_AT", world.now)
    with psycopg.connect(shared_dsn, row_factory=dict_row) as opened:
        yield opened


@pytest.mark.parametrize(("test_id", "scope", "targets", "name", "code"), [
    ("branch_protection_enforced", "project", ["CORE"], "payments", "evidence_accepted"),
    ("branch_protection_enforced", "repository", ["Payments"], "payments", "evidence_accepted"),
    ("status_checks_required", "workspace", [], "payments", "evidence_accepted"),
    ("pipelines_enabled", "workspace", [], "payments", "evidence_accepted"),
    ("user_mfa_enabled", "workspace", [], "Ada", "mfa_enabled"),
    ("user_mfa_enabled", "members", ["ID-ADA"], "Ada", "mfa_enabled"),
    ("workspace_mfa_enforced", "workspace", [], "acme", "evidence_accepted"),
])  # fmt: skip
def test_a_verdict_rests_on_evidence_from_its_acceptance_to_its_withdrawal(
    world: World, connection: Any, test_id: str, scope: str, targets: list[str], name: str, code: str
) -> None:
    repository = world.member("Ada", "id-ada").repository("payments")
    for resource in ("branch_restrictions", "pipelines_config"):
        repository.call(resource, "permission_missing", world.now)
    before = world.judge(test_id)[name]
    assert before["status"] == "pending"
    handed_in = submit(
        connection,
        ("shot.png", picture()),
        test_id=test_id,
        workspace="Acme",
        scope=scope,
        targets=targets,
        captured_on=world.now.date(),
        submitted_by="os:ada",
    )
    assert outcome(world.judge(test_id)[name]) == outcome(before)
    decide(connection, handed_in.evidence_id, "accept", decided_by="os:bo")
    verdict = world.judge(test_id)[name]
    assert outcome(verdict) == ("passing", "evidence", code)
    assert verdict["facts"] == {"evidence_id": handed_in.evidence_id}
    decide(connection, handed_in.evidence_id, "withdraw", decided_by="os:ada", reason="shows a test workspace")
    assert outcome(world.judge(test_id)[name]) == outcome(before)
