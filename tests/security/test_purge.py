"""One person erases no history: a purge is exported, asked for by one, accepted by another, checked by the database."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from pathlib import Path

import psycopg
import pytest

from bitbucket_compliance.core.errors import PurgeRefused, WorkspaceBusy
from bitbucket_compliance.policy.overrides import keep_version
from bitbucket_compliance.registry import purges
from bitbucket_compliance.registry.purges import Purge, ask, decide
from bitbucket_compliance.security_tests.policies import DELIVERED
from tests.conftest import Database
from tests.console.conftest import OpenConsole
from tests.console.world import WORKSPACE, Published

OWNER, REVIEWER = "airflow:owner", "airflow:reviewer"


@pytest.fixture
def world(database: Database) -> Published:
    found = Published(database)
    found.repository("pay")
    database.execute(
        "INSERT INTO compliance.result_history (workspace, test_id, subject_type, subject_id, status, reason_code,"
        " reason, detail, severity, valid_from, run_id, policy_version, facts_hash)"
        " VALUES (%s, 't', 'repository', 's', 'failing', 'r', 'r', '{}', 'high', now(), 'run', 'p', 'f')",
        (WORKSPACE,),
    )
    return found


def is_there(world: Published) -> bool:
    return bool(world.rows("SELECT 1 FROM compliance.result_history"))


def asked_for(world: Published, folder: Path, by: str = OWNER) -> Purge:
    return ask(world.database, WORKSPACE, requested_by=by, target=str(folder))


def test_the_history_is_exported_with_digests_before_anybody_can_accept(world: Published, tmp_path: Path) -> None:
    purge = asked_for(world, tmp_path)
    manifest = Path(purge.manifest)
    assert manifest.is_relative_to(tmp_path)
    content = manifest.read_bytes()
    assert hashlib.sha256(content).hexdigest() == purge.manifest_sha256
    files = {one["file"]: one for one in json.loads(content)["files"]}
    assert {name.removesuffix(".csv.gz") for name in files} == set(purges.EXPORTED)
    for name, told in files.items():
        path = manifest.parent / name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == told["sha256"]
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            assert len(list(csv.DictReader(text))) == told["rows"]
    assert files["compliance.result_history.csv.gz"]["rows"] == 1
    assert is_there(world)


def test_two_persons_purge_once_and_the_trail_names_both(world: Published, tmp_path: Path) -> None:
    purge = asked_for(world, tmp_path)
    for alone in (OWNER, "os:root"):
        with pytest.raises(PurgeRefused, match=r"somebody else has to decide|COMPLIANCE_LOGINS"):
            decide(world.database, purge.purge_id, "accept", decided_by=alone)
    assert is_there(world)
    _, deleted = decide(world.database, purge.purge_id, "accept", decided_by=REVIEWER)
    assert deleted > 0 and not is_there(world)
    assert world.rows("SELECT * FROM integration.verify_record(%s)", WORKSPACE) == [], (
        "the record keeps that it was there"
    )
    with pytest.raises(PurgeRefused, match="decided already"):
        decide(world.database, purge.purge_id, "accept", decided_by=REVIEWER)
    assert world.audited() == [(OWNER, "purge.asked_for"), (REVIEWER, "purge.accepted"), (REVIEWER, "data.purged")]


@pytest.mark.parametrize("decision", ["reject", "withdraw"])
def test_what_was_rejected_or_withdrawn_deletes_nothing(world: Published, tmp_path: Path, decision: str) -> None:
    purge = asked_for(world, tmp_path)
    assert decide(world.database, purge.purge_id, decision, decided_by=REVIEWER)[1] == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.database.execute("SELECT registry.purge_workspace(%s)", (purge.purge_id,))
    assert is_there(world)


@pytest.mark.parametrize("missing", ["manifest.json", "compliance.findings.csv.gz", "altered"])
def test_without_its_whole_export_nothing_is_deleted(world: Published, tmp_path: Path, missing: str) -> None:
    purge = asked_for(world, tmp_path)
    folder = Path(purge.manifest).parent
    if missing == "altered":
        (folder / "compliance.result_history.csv.gz").write_bytes(gzip.compress(b"nothing"))
    else:
        (folder / missing).unlink()
    with pytest.raises(PurgeRefused, match="gone, or is not what was written"):
        decide(world.database, purge.purge_id, "accept", decided_by=REVIEWER)
    assert is_there(world)


def test_what_was_read_since_the_export_is_not_deleted(world: Published, tmp_path: Path) -> None:
    purge = asked_for(world, tmp_path)
    world.database.execute(
        "INSERT INTO integration.runs (run_id, workspace, status, policy_version, started_at)"
        " VALUES ('later', %s, 'published', 'p', now())",
        (WORKSPACE,),
    )
    with pytest.raises(PurgeRefused, match="read since its export"):
        decide(world.database, purge.purge_id, "accept", decided_by=REVIEWER)
    assert is_there(world) and world.rows("SELECT 1 FROM registry.purge_decisions") == []


def test_nothing_is_deleted_while_a_run_is_at_work(world: Published, tmp_path: Path) -> None:
    purge = asked_for(world, tmp_path)
    world.database.execute(
        "INSERT INTO integration.workspace_leases (workspace, run_id, renewed_at) VALUES (%s, 'run', now())",
        (WORKSPACE,),
    )
    with pytest.raises(WorkspaceBusy):
        decide(world.database, purge.purge_id, "accept", decided_by=REVIEWER)
    assert is_there(world)


@pytest.mark.parametrize("target", ["", "s3://bucket/place"])
def test_without_a_folder_to_export_to_nothing_is_asked_for(world: Published, target: str) -> None:
    with pytest.raises(PurgeRefused, match="COMPLIANCE_EXPORT_TARGET"):
        ask(world.database, WORKSPACE, requested_by=OWNER, target=target)


def test_the_consoles_role_deletes_nothing_by_itself(world: Published, tmp_path: Path) -> None:
    purge = asked_for(world, tmp_path)
    version = keep_version(world.database, DELIVERED)
    world.database.execute("SET ROLE compliance_console")
    for statement in (
        f"SELECT integration.purge('{WORKSPACE}')",
        f"SELECT registry.purge_workspace('{purge.purge_id}')",
        "DELETE FROM compliance.result_history",
        "INSERT INTO registry.purged (purge_id, deleted) SELECT purge_id, 0 FROM registry.purges",
        "INSERT INTO registry.purge_decisions (purge_id, decision, decided_by, policy_version)"  # noqa: S608
        f" VALUES ('{purge.purge_id}', 'accepted', '{OWNER}', '{version}')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.database.execute(statement)  # type: ignore[arg-type]
    world.database.execute("RESET ROLE")
    assert is_there(world)


def test_the_console_lets_one_ask_and_another_accept(
    open_console: OpenConsole, world: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(purges.TARGET, str(tmp_path))
    monkeypatch.setattr("compliance_console_app.services.dag_runs.under_way", lambda *_, **__: None)
    owner, reviewer = open_console("op", "owner"), open_console("op", "reviewer")
    owner.submit("/integrations/purge", {"workspace": WORKSPACE, "typed": WORKSPACE})
    (waiting,) = purges.waiting_for_a_decision(world.database)
    decision = f"/integrations/purge/{waiting.purge_id}/decision"
    assert 'value="accept"' not in owner.get("/integrations/purge").text
    refused = owner.submit(decision, {"decision": "accept"}, on="/integrations/purge")
    assert refused.status_code == 409 and is_there(world)
    assert open_console("viewer").post(decision).status_code == 403
    reviewer.submit(decision, {"decision": "accept"}, on="/integrations/purge")
    assert not is_there(world)
