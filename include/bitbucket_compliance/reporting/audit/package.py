"""Write an audit package: a folder and a zip, read in one transaction from a database that changes meanwhile."""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bitbucket_compliance.core.database import Connection, configure, one_row, run_sql
from bitbucket_compliance.core.errors import EvidenceStoreUnavailable
from bitbucket_compliance.reporting.audit.files import PackageFolder, zipped
from bitbucket_compliance.reporting.audit.model import FORMAT, AuditRefused, AuditRequest
from bitbucket_compliance.reporting.audit.oscal import write_oscal
from bitbucket_compliance.reporting.audit.page import page
from bitbucket_compliance.reporting.audit.parts import PARTS, Part
from bitbucket_compliance.reporting.audit.pseudonyms import Pseudonyms
from bitbucket_compliance.reporting.audit.reads import SampleReads, read_of
from bitbucket_compliance.reporting.audit.record import write_record
from bitbucket_compliance.reporting.audit.samples import SAMPLE, draw, not_peers_of
from bitbucket_compliance.reporting.audit.tables import Table, write_dictionary, write_table
from bitbucket_compliance.reporting.exports.snapshot.read import unchanging

log = logging.getLogger(__name__)

_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Packaged:
    """A finished package: its folder, its zip, the SHA-256 of its manifest, and what was wrong with what it holds."""

    folder: Path
    zip: Path
    manifest_sha256: str
    problems: tuple[str, ...]


def package(
    connection: Connection,
    request: AuditRequest,
    target: Path,
    read_kept: Callable[[str, str], bytes],
    reads: SampleReads | None = None,
) -> Packaged:
    """Write a package into a folder of its own below ``target``; one of the same name is never overwritten.

    Args:
        read_kept: the content of a kept file of evidence, by its URL and its SHA-256; raises EvidenceStoreUnavailable
            where it is gone or was changed.
        reads: what was read of the pull requests that ``draw`` gave; None: nobody asked for it.

    Raises:
        AuditRefused: no such workspace, framework or period, a package of this name is there, or the folder can't be
            written.
    """
    if os.sep in request.workspace:
        raise AuditRefused(f"{request.workspace!r} is no workspace slug")
    final, archive = target / request.name, target / f"{request.name}.zip"
    unfinished = target / f".{request.name}.{uuid.uuid4().hex}.part"
    if final.exists() or archive.exists():
        raise AuditRefused(f"{final} or its zip is there already: move it away, or name another folder")
    zip_file = target / f".{archive.name}.part"
    try:
        unfinished.mkdir(mode=0o700, parents=True)
        with unchanging(connection):
            configure(connection, {"TimeZone": "UTC"}, until_the_transaction_ends=True)
            manifest_sha256, problems = _Writer(
                connection, request, PackageFolder(unfinished), read_kept, reads
            ).write()
        unfinished.rename(final)
        zip_file.unlink(missing_ok=True)
        zipped(final, zip_file)
        zip_file.rename(archive)
    except OSError as error:
        raise AuditRefused(f"{target}: can't be written to ({error.strerror or type(error).__name__})") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        zip_file.unlink(missing_ok=True)
    log.info("audit package written: %s", archive)
    return Packaged(final, archive, manifest_sha256, tuple(problems))


class _Writer:
    def __init__(
        self,
        connection: Connection,
        request: AuditRequest,
        folder: PackageFolder,
        read_kept: Callable[[str, str], bytes],
        reads: SampleReads | None,
    ) -> None:
        self.read_kept, self.reads = read_kept, reads
        self.connection, self.request, self.folder = connection, request, folder
        self.keys = request.keys
        self.problems: list[str] = []
        self.pseudonyms: Pseudonyms | None = None

    def write(self) -> tuple[str, list[str]]:
        """The digest of the manifest, and what was wrong."""
        now = check(self.connection, self.request)
        if not self.request.people:
            known = run_sql(self.connection, _FOLDER / "persons.sql", self.keys).fetchall()
            named = {row["name"]: row["is_thing"] for row in known if row["name"]}
            self.pseudonyms = Pseudonyms(
                (name for name, is_thing in named.items() if not is_thing),
                (name for name, is_thing in named.items() if is_thing),
            )
        tables = [self._table(part) for part in PARTS if self.request.people or not part.names_people]
        sample, about_sample = self._sample()
        write_dictionary(self.folder, [*tables, sample])
        write_record(self.connection, self.folder, self.keys, people=self.request.people)
        write_oscal(self.connection, self.folder, self.request, now, self.pseudonyms)
        evidence = self._evidence()
        chains = self._chains()
        about = {
            "format": FORMAT,
            "workspace": self.request.workspace,
            "period": {
                "first_day": str(self.request.first_day),
                "last_day": str(self.request.last_day),
                "starts_at": self.request.starts_at.isoformat(),
                "ends_at": self.request.ends_at.isoformat(),
            },
            "framework": self.request.framework or None,
            "people": self.request.people,
            "made_at": now.isoformat(),
            "chains": chains,
            "parts": {table.part.name: _described(table) for table in tables},
            "samples": {"changes": about_sample},
            "evidence": evidence,
            "problems": self.problems,
        }
        html = page(self.connection, self.keys, about, tables, self.pseudonyms)
        self.folder.add("index.html", html.encode())
        self.folder.add("verify.py", _FOLDER.joinpath("verify.py").read_bytes())
        files = [vars(one) for one in sorted(self.folder.written, key=lambda one: one.path)]
        self.folder.add("manifest.json", (json.dumps({**about, "files": files}, indent=1) + "\n").encode())
        return self.folder.written[-1].sha256, self.problems

    def _table(self, part: Part) -> Table:
        return write_table(self.connection, self.folder, part, self.keys, self.pseudonyms)

    def _sample(self) -> tuple[Table, dict[str, Any]]:
        drawn = draw(self.connection, self.request)
        not_peers = not_peers_of(self.connection, self.request)
        read = [read_of(row, self.reads, not_peers) for row in drawn.rows]
        columns = json.dumps([one.columns for one in read], default=str)
        table = write_table(
            self.connection,
            self.folder,
            SAMPLE,
            {**drawn.keys, "reads": columns},
            self.pseudonyms,
            "samples/changes.csv",
        )
        reads: dict[int, str] = {}
        for row, one in zip(drawn.rows, read, strict=True):
            self._landed(row)
            if one.kept is not None:
                reads[row["place"]] = f"samples/reads/{row['place']:03}.json"
                self._add_json(reads[row["place"]], one.kept)
        return table, {
            "file": table.file,
            "population_file": "data/changes.csv",
            "population": drawn.population,
            "seed": drawn.keys["seed"],
            "seed_is_the_populations": not self.request.seed,
            "policy_version": drawn.sizes.policy_version,
            "frequency": self.request.frequency or None,
            "sizes": drawn.sizes.lines,
            "are_read": self.reads is not None,
            "reads": reads,
        }

    def _landed(self, row: dict[str, Any]) -> None:
        """What Bitbucket answered of a sampled pull request, where it is kept."""
        if row["pull_request_id"] is None:
            return
        keys = {**self.keys, "repository_id": row["repository_id"], "key": str(row["pull_request_id"])}
        landed = run_sql(self.connection, _FOLDER / "landed.sql", keys).fetchone()
        if landed:
            self._add_json(f"samples/bodies/{row['place']:03}.json", landed)

    def _add_json(self, name: str, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, default=str, ensure_ascii=False, indent=1) + "\n"
        self.folder.add(name, (self.pseudonyms.hide_json(text) if self.pseudonyms else text).encode())

    def _evidence(self) -> dict[str, str]:
        """The kept files of evidence, by the evidence's id; what can't be read is told, and so is what was changed."""
        kept = self.connection.execute(
            "SELECT evidence_id::text AS evidence_id, file_sha256, storage_url FROM registry.evidence"
            " WHERE storage_url IS NOT null AND (workspace = %(workspace)s OR workspace IS null)"
            " AND submitted_at < %(ends_at)s ORDER BY submitted_at, evidence_id",
            self.keys,
        ).fetchall()
        paths: dict[str, str] = {}
        for row in kept:
            try:
                content = self.read_kept(row["storage_url"], row["file_sha256"])
            except EvidenceStoreUnavailable as error:
                self.problems.append(f"evidence {row['evidence_id']}: {error}")
                continue
            path = f"evidence/{row['file_sha256']}.{row['storage_url'].rpartition('.')[2]}"
            if self.request.people:
                if path not in paths.values():
                    self.folder.add(path, content)
                paths[row["evidence_id"]] = path
        return paths

    def _chains(self) -> dict[str, Any]:
        rows = self.connection.execute(
            "SELECT DISTINCT ON (workspace) workspace, link, digest FROM compliance.record_links"
            " WHERE workspace IN (%(workspace)s, '') ORDER BY workspace, link DESC",
            self.keys,
        )
        return {
            "workspace" if row["workspace"] else "shared": {"link": row["link"], "digest": row["digest"]}
            for row in rows
        }


def _described(table: Table) -> dict[str, Any]:
    recorded = table.part.recorded
    return {
        "file": table.file,
        "title": table.part.title,
        "rows": table.rows,
        "recorded": {"relation": recorded.relation, "key": recorded.key, "chains": recorded.chains}
        if recorded
        else None,
    }


def check(connection: Connection, request: AuditRequest) -> datetime:
    """Raise AuditRefused where the request asks for what is not there; returns the time of the transaction."""
    now: datetime = one_row(connection.execute("SELECT now() AS now"))["now"]
    if request.last_day < request.first_day:
        raise AuditRefused(f"the period ends on {request.last_day}, before it begins on {request.first_day}")
    if request.first_day > now.date() or request.last_day > now.date():
        raise AuditRefused(f"the period ends on {request.last_day}, which lies ahead: give a day until {now.date()}")
    known = connection.execute(
        "SELECT DISTINCT workspace FROM compliance.record_links WHERE workspace <> '' ORDER BY 1"
    ).fetchall()
    if request.workspace not in [row["workspace"] for row in known]:
        told = ", ".join(row["workspace"] for row in known) or "none"
        raise AuditRefused(f"nothing was published of workspace {request.workspace!r}; there are: {told}")
    frameworks = [
        row["framework"]
        for row in connection.execute("SELECT DISTINCT framework FROM compliance.test_controls ORDER BY 1")
    ]
    if request.framework and request.framework not in frameworks:
        raise AuditRefused(f"framework {request.framework!r} is unknown; there are: {', '.join(frameworks)}")
    may = "SELECT has_table_privilege('compliance.member_employment', 'SELECT') AS may"
    if request.people and not one_row(connection.execute(may))["may"]:
        raise AuditRefused("this role may not see people's data: leave PEOPLE out, or use a role that may")
    return now
