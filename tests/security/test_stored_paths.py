"""A path that stands in a row leads nowhere: files are looked for, and removed, below the configured folders alone."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.core.errors import EvidenceStoreUnavailable
from bitbucket_compliance.pipeline.gate import data_docs
from bitbucket_compliance.pipeline.run.run import RUNS_KEPT, Run
from bitbucket_compliance.registry.evidence_files.store import read_kept
from bitbucket_compliance.security_tests.policies import load_policy
from tests.conftest import Database


def test_clearing_pages_away_removes_no_file_that_a_row_names(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, victim = tmp_path / "pages", tmp_path / "victim.html"
    monkeypatch.setenv(data_docs.BASE_VARIABLE, str(pages))
    victim.write_text("precious")
    page = pages / "acme" / "run-0" / "staging.html"
    page.parent.mkdir(parents=True)
    page.write_text("old")
    now = datetime.now(UTC)
    for number in range(RUNS_KEPT + 1):
        database.execute(
            "INSERT INTO integration.runs (run_id, workspace, started_at, policy_version, data_docs)"
            " VALUES (%s, 'acme', %s, 'p', %s)",
            (f"run-{number}", now + timedelta(minutes=number), Jsonb({"staging": f"file://{victim}"})),
        )
    run = Run("acme", "run-1", now, False, load_policy(), "p", None)
    connection = connect()
    assert data_docs.publish(connection, run, "staging", [], now) is not None
    connection.close()
    assert victim.exists() and not page.exists()


def test_evidence_is_read_from_its_store_whatever_its_row_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", (tmp_path / "store").as_uri())
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"root:x")
    digest = hashlib.sha256(b"root:x").hexdigest()
    for url in (secret.as_uri(), f"{(tmp_path / 'store').as_uri()}/../secret.csv"):
        with pytest.raises(EvidenceStoreUnavailable, match="is not below"):
            read_kept(url, digest)
    for sha256, url in (("../../secret", "file:///a.csv"), (digest, "file:///a.csv/../../x")):
        with pytest.raises(EvidenceStoreUnavailable, match="none that was kept here"):
            read_kept(url, sha256)
