"""What `make import MFA=` adds to evidence: the file in the store, rows that match nobody, hostile files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bitbucket_compliance.core.database import run_sql
from bitbucket_compliance.core.errors import EvidenceStoreUnavailable, ImportRefused
from bitbucket_compliance.registry.evidence import open_evidence
from bitbucket_compliance.registry.imports import import_file
from tests.registry.files import export
from tests.registry.test_evidence_hostile import TABLES
from tests.registry.world import Registry, days_ago, today

MFA = "user_mfa_enabled"


def take(registry: Registry, content: bytes, folder: Path, name: str = "export.csv", **more: object) -> list[str]:
    """The lines that an import prints."""
    path = folder / name
    path.write_bytes(content)
    taken = import_file(registry.database, "mfa", path, imported_by="os:operator", is_vouched_for=True, **more)  # type: ignore[arg-type]
    registry.database.commit()
    return list(taken.lines())


def test_an_imported_export_is_kept_as_it_is(registry: Registry, tmp_path: Path) -> None:
    content = export("a@x.io,id-a,on")
    take(registry, content, tmp_path)
    row = registry.row("SELECT * FROM registry.evidence")
    assert open_evidence(registry.database, str(row["evidence_id"])).content == content
    assert (row["media_type"], row["size_bytes"], row["submitted_sha256"]) == (
        "text/csv",
        len(content),
        row["file_sha256"],
    )
    assert [path.read_bytes() for path in registry.kept()] == [content]


def test_any_name_is_fine_for_an_import_and_it_is_handed_out_as_a_table(registry: Registry, tmp_path: Path) -> None:
    take(registry, export(",id-a,on"), tmp_path, "export.html")
    row = registry.row("SELECT evidence_id FROM registry.evidence")
    assert open_evidence(registry.database, str(row["evidence_id"])).name == "export.html.csv"


def test_rows_that_match_nobody_are_told_and_taken(registry: Registry, tmp_path: Path) -> None:
    registry.member("Ada", "id-a").looked_up(days_ago(1))
    lines = take(registry, export("ada@x.io,id-a,on", '"b@x.io\n",id-b,on', ",id-c,off"), tmp_path)
    assert lines == [
        "imported: mfa export.csv: 3 people, accepted as captured on this day",
        "noted: export.csv: 3 people: 2 on, 1 off",
        "unmatched: export.csv: line 5: no member of a workspace that was read has this address or account id",
        "unmatched: export.csv: addresses never looked up: 1; the next run asks for them",
    ]
    assert len(registry.rows("SELECT 1 FROM registry.evidence_members")) == 3


def test_an_address_that_an_earlier_export_had_was_looked_up(registry: Registry, tmp_path: Path) -> None:
    registry.member("Ada", "id-a")
    take(registry, export("b@x.io,,on"), tmp_path, captured_on=today() - timedelta(days=9))
    registry.looked_up(days_ago(-1))
    assert take(registry, export("b@x.io,,off"), tmp_path)[2:] == [
        "unmatched: export.csv: line 2: no member of a workspace that was read has this address or account id"
    ]


def test_where_everybody_matches_nothing_more_is_told(registry: Registry, tmp_path: Path) -> None:
    registry.member("Ada", "id-a", email="ada@x.io")
    assert len(take(registry, export("ADA@x.io,,on", ",id-a,on"), tmp_path)) == 2


FINE_FOR_AN_IMPORT = ("another ending",)


@pytest.mark.parametrize("case", [case for case in TABLES if case not in FINE_FOR_AN_IMPORT])
def test_a_hostile_export_is_refused_by_an_import_too(registry: Registry, tmp_path: Path, case: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        take(registry, TABLES[case][1](), tmp_path)
    registry.database.rollback()
    assert "\n" not in str(refused.value)
    assert registry.is_empty()
    assert registry.rows("SELECT 1 FROM registry.imports") == []


def test_nobody_stops_an_import_by_the_name_they_chose(registry: Registry, tmp_path: Path) -> None:
    take(registry, b"Name,Email,2FA\n=SUM(1+1) Petra,petra@x.io,on\n+1,a@x.io,off\n", tmp_path)
    rows = registry.rows("SELECT email, two_step FROM registry.evidence_members ORDER BY line")
    assert [(row["email"], row["two_step"]) for row in rows] == [("petra@x.io", "on"), ("a@x.io", "off")]


def test_where_the_store_fails_nothing_is_imported(registry: Registry, tmp_path: Path) -> None:
    registry.store.write_text("a file where the folder should be")
    with pytest.raises(EvidenceStoreUnavailable):
        take(registry, export(",id-a,on"), tmp_path)
    registry.database.rollback()
    assert registry.rows("SELECT 1 FROM registry.evidence UNION ALL SELECT 1 FROM registry.evidence_decisions") == []


def test_addresses_that_evidence_names_are_looked_up_before_it_is_decided(registry: Registry) -> None:
    registry.member("Ada", "id-a")
    evidence_id = registry.submit(MFA, "members", ["Ada@x.io", "id-a"])
    declared = [row["email"] for row in run_sql(registry.database, "pipeline/extract/declared_emails.sql")]
    assert declared == ["ada@x.io"]
    registry.decide(evidence_id)
    assert run_sql(registry.database, "pipeline/extract/declared_emails.sql").fetchall() == []
