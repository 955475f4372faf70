"""A small world to judge: what Bitbucket answered lands as extract lands it, what people declared stands in registry.

``World.judge`` opens a run, lands, stages and judges one test, and gives back its verdicts by the subject's name.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from bitbucket_compliance.pipeline.extract.landing.results import CallResult
from bitbucket_compliance.pipeline.extract.landing.writer import LandingWriter
from bitbucket_compliance.pipeline.judge.judge import judge
from bitbucket_compliance.pipeline.run.lifecycle import finish_run, start_run
from bitbucket_compliance.pipeline.run.task_frame import task_frame
from bitbucket_compliance.pipeline.stage.stage import stage_landing
from bitbucket_compliance.security_tests import CATALOGUE
from tests.databases import unguarded

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
TODAY = NOW.date()
READ_AT = NOW + timedelta(minutes=1)
WORKSPACE = "acme"
WORKSPACE_ID = "{00000000-0000-4000-8000-0000000000ac}"

UNREADABLE = ("scope_missing", "permission_missing")
NOT_COLLECTED = ("failed", "not_found")

Row = dict[str, Any]
_runs = itertools.count(1)
_NAMESPACE = uuid.UUID("00000000-0000-4000-8000-000000000000")


def identity(name: str) -> str:
    """A uuid with braces, the same for the same name."""
    return "{" + str(uuid.uuid5(_NAMESPACE, name)) + "}"


def days_ago(days: float) -> datetime:
    """An instant before the run started."""
    return NOW - timedelta(days=days)


@dataclass
class Repository:
    """A repository and what each call on it brought; everything is readable and empty unless told otherwise."""

    slug: str
    main_branch: str | None = "main"
    project: str | None = "CORE"
    private: bool | None = True
    outcomes: dict[str, str] = field(
        default_factory=lambda: {
            "branch_restrictions": "ok",
            "pull_requests": "ok",
            "pipelines_config": "ok",
            "pipelines": "ok",
        }
    )
    read_at: dict[str, datetime] = field(default_factory=dict)
    restrictions: list[Row] = field(default_factory=list)
    pull_requests: list[Row] = field(default_factory=list)
    builds: dict[int, list[str | Row]] = field(default_factory=dict)
    #: When pull requests were merged, by their activity, where it was looked up.
    looked_up: dict[int, datetime | None] = field(default_factory=dict)
    model: Row | None = None
    config: Row = field(default_factory=lambda: {"enabled": True})
    latest_pipeline: Row | None = None
    merge_checks: Row | None = None
    reviewers: Sequence[str] = ()
    size: int | None = 4096
    unread: bool = False
    #: Its slug before it was renamed, if it ever was.
    first_slug: str | None = None

    @property
    def repository_id(self) -> str:
        return identity(self.first_slug or self.slug)

    def renamed(self, slug: str) -> Repository:
        """The same repository under another slug."""
        self.first_slug, self.slug = self.first_slug or self.slug, slug
        return self

    # what calls brought

    def call(self, resource: str, outcome: str, read_at: datetime = READ_AT) -> Repository:
        """The outcome of one call on the repository."""
        self.outcomes[resource] = outcome
        self.read_at[resource] = read_at
        return self

    def rules_hidden(self, outcome: str = "permission_missing") -> Repository:
        """The configuration can't be read: neither restrictions nor Pipelines' setting."""
        return self.call("branch_restrictions", outcome).call("pipelines_config", outcome)

    def vanished(self) -> Repository:
        """Listed, but every call on it answers 404."""
        for resource in tuple(self.outcomes):
            self.call(resource, "not_found")
        return self

    # configuration

    def rule(self, kind: str, pattern: str = "main", **more: Any) -> Repository:
        """A restriction by glob."""
        return self._restrict({"kind": kind, "branch_match_kind": "glob", "pattern": pattern, **more})

    def model_rule(self, kind: str, branch_type: str, **more: Any) -> Repository:
        """A restriction by branch type."""
        return self._restrict(
            {"kind": kind, "branch_match_kind": "branching_model", "pattern": "", "branch_type": branch_type, **more}
        )

    def _restrict(self, body: Row) -> Repository:
        self.restrictions.append({"id": len(self.restrictions) + 1, "value": None, "users": [], "groups": [], **body})
        return self

    def branching_model(self, **body: Any) -> Repository:
        """The effective branching model, readable."""
        self.model = body
        return self.call("effective_branching_model", "ok")

    def checks(self, *checks: tuple[str, int | None, bool], number: int = 77) -> Repository:
        """Merge checks of an open pull request: kind, requirement and enforcement of each."""
        self.merge_checks = {"pull_request_id": number, "values": [_check(*check) for check in checks]}
        return self.call("merge_checks", "ok")

    def no_open_pull_request(self) -> Repository:
        """There is none any more to ask for its merge checks."""
        self.outcomes.pop("merge_checks", None)
        return self

    def default_reviewers(self, *names: str) -> Repository:
        """They were asked for."""
        self.reviewers = names
        return self.call("default_reviewers", "ok")

    def never_pushed_to(self) -> Repository:
        """It has no content, and its main branch does not exist."""
        self.size = 0
        return self.call("main_branch_ref", "not_found")

    # behaviour

    def merged(
        self,
        number: int | None = None,
        *,
        age: float = 1,
        builds: Sequence[str | Row] | None = None,
        author: str | None = "ada",
        approved_by: Sequence[str] = ("bo",),
        approved_by_apps: Sequence[str] = (),
        looked_at_by: Sequence[str] = (),
        into: str | None = "main",
        state: str = "MERGED",
        updated_on: datetime | None = None,
        created_on: datetime | None = None,
        approved_by_deleted: int = 0,
        merge_commit: str | None = None,
    ) -> Repository:
        """A pull request of ``age`` days, created at the same time; ``builds`` None: its statuses were not asked for.

        ``approved_by_deleted``: so many of the approvals are of accounts that were deleted since.
        """
        number = number or len(self.pull_requests) + 1
        people = [(name, "user", True) for name in approved_by]
        people += [(name, "app_user", True) for name in approved_by_apps]
        people += [(name, "user", False) for name in looked_at_by]
        updated = updated_on or days_ago(age)
        self.pull_requests.append(
            {
                "id": number,
                "state": state,
                "author": {"uuid": identity(author)} if author else None,
                "destination": {"branch": {"name": into}},
                "created_on": (created_on or updated).isoformat(),
                "updated_on": updated.isoformat(),
                "merge_commit": {"hash": merge_commit} if merge_commit else None,
                "participants": [
                    *(
                        {
                            "approved": approved,
                            "user": {"uuid": identity(name), "account_id": f"712020:{name}", "type": kind},
                        }
                        for name, kind, approved in people
                    ),
                    *[{"approved": True, "user": None}] * approved_by_deleted,
                ],
            }
        )
        if builds is not None:
            self.builds[number] = list(builds)
        return self

    def pipeline(self, *, created_on: datetime, state: str = "COMPLETED") -> Repository:
        """The newest pipeline."""
        self.latest_pipeline = {
            "uuid": identity(f"pipeline of {self.slug}"),
            "build_number": 7,
            "state": {"name": state, "result": {"name": "FAILED"}},
            "created_on": created_on.isoformat(),
        }
        return self

    def answers(self) -> list[CallResult]:
        """As extract would hand them to the landing zone."""
        objects: dict[str, list[tuple[str, Row]]] = {
            "branch_restrictions": [(str(body["id"]), body) for body in self.restrictions],
            "pull_requests": [(str(body["id"]), body) for body in self.pull_requests],
            "effective_branching_model": [("", self.model)] if self.model is not None else [],
            "merge_checks": [("", self.merge_checks)] if self.merge_checks is not None else [],
            "default_reviewers": [
                ("", {"values": [{"user": {"uuid": identity(name), "type": "user"}} for name in self.reviewers]})
            ],
            "main_branch_ref": [("", {"name": self.main_branch})],
            "pipelines_config": [("", self.config)],
            "pipelines": [(self.latest_pipeline["uuid"], self.latest_pipeline)] if self.latest_pipeline else [],
        }
        calls = [
            CallResult(
                resource,
                outcome,
                self.repository_id,
                objects=objects[resource] if outcome == "ok" else (),
                fetched_at=self.read_at.get(resource, READ_AT),
            )
            for resource, outcome in self.outcomes.items()
            if resource != "pull_request_statuses"
        ]
        return [*calls, *self._status_calls()]

    def _status_calls(self) -> list[CallResult]:
        """One call a pull request: those with known builds went well; the outcome told, if not ok, is of one more."""
        calls = [
            CallResult(
                "pull_request_statuses",
                "ok",
                self.repository_id,
                str(number),
                [(str(number), {"pull_request_id": number, "values": [_status(state) for state in states]})],
                fetched_at=READ_AT,
            )
            for number, states in self.builds.items()
        ]
        calls += [
            CallResult(
                "pull_request_activity",
                "ok",
                self.repository_id,
                str(number),
                [(str(number), {"pull_request_id": number, "values": _activity(merged_on)})],
                fetched_at=READ_AT,
            )
            for number, merged_on in self.looked_up.items()
        ]
        outcome = self.outcomes.get("pull_request_statuses", "ok")
        unknown = next((body["id"] for body in self.pull_requests if body["id"] not in self.builds), 0)
        if outcome != "ok":
            calls.append(
                CallResult("pull_request_statuses", outcome, self.repository_id, str(unknown), fetched_at=READ_AT)
            )
        return calls


def _status(given: str | Row) -> Row:
    return {"state": given} if isinstance(given, str) else given


def _activity(merged_on: datetime | None) -> list[Row]:
    """With a comment, which is empty by the fields that are asked for, and with what came before the merge."""
    entries: list[Row] = [{}, {"update": {"state": "OPEN", "date": days_ago(500).isoformat()}}]
    return [{"update": {"state": "MERGED", "date": merged_on.isoformat()}}, *entries] if merged_on else entries


class World:
    """One workspace in a fresh database."""

    def __init__(self, database: psycopg.Connection[Row], folder: Path, patch: pytest.MonkeyPatch):
        self.database = database
        self._folder = folder
        self._patch = patch
        self._policy: dict[str, dict[str, Any]] = {"tests": {"pipelines_enabled": {"enabled": True}}, "thresholds": {}}
        self.now = NOW
        self._pushes = itertools.count(1)
        self.repositories: list[Repository] = []
        self.members: list[Row] = []
        self.confirmed: list[tuple[str, str]] = []
        self.lookup: str | None = None
        self._write_policy()

    # policy

    def thresholds(self, **thresholds: Any) -> World:
        """Numbers of the policy that differ from the defaults."""
        self._policy["thresholds"].update(thresholds)
        self._write_policy()
        return self

    def switch_off(self, test_id: str) -> World:
        self._policy["tests"][test_id] = {"enabled": False}
        self._write_policy()
        return self

    def _write_policy(self) -> None:
        path = self._folder / "policy.yaml"
        path.write_text(yaml.safe_dump(self._policy), encoding="utf-8")
        self._patch.setenv("COMPLIANCE_POLICY_FILE", str(path))

    # Bitbucket

    def repository(self, slug: str = "payments", main_branch: str | None = "main", **more: Any) -> Repository:
        self.repositories.append(Repository(slug, main_branch, **more))
        return self.repositories[-1]

    def member(
        self, name: str, account_id: str | None = None, *, member_type: str = "user", email: str | None = None
    ) -> World:
        """A member of the workspace; ``email`` where Bitbucket confirmed it."""
        self.members.append(
            {
                "user": {
                    "uuid": identity(name),
                    "display_name": name,
                    "account_id": account_id,
                    "nickname": name,
                    "type": member_type,
                }
            }
        )
        if email:
            self.confirm(email, name)
        return self

    def confirm(self, email: str, name: str) -> World:
        """Bitbucket knows the member by this address."""
        self.confirmed.append((email, identity(name)))
        self.lookup = self.lookup or "ok"
        return self

    # what webhooks told

    def watched(self, since: datetime) -> World:
        """A webhook of the workspace that has been telling of pushes since then."""
        self.database.execute(
            "INSERT INTO integration.webhooks (conn_id, workspace, hook_id, url, events, state, registered_at)"
            " VALUES ('bitbucket_default', %s, %s, 'https://hooks.example.com', '{repo:push}', 'active', %s)",
            (WORKSPACE, identity("hook"), since),
        )
        return self

    def first_seen(self, since: datetime) -> World:
        """The repositories of an earlier run are listed, with their main branches, since then."""
        with unguarded(self.database):
            self.database.execute(
                "UPDATE landing.objects SET first_fetched_at = %s WHERE resource = 'repositories'", (since,)
            )
        return self

    def pushed(
        self,
        slug: str = "payments",
        *,
        age: float = 1,
        new: str = "f" * 40,
        kind: str | None = "user",
        forced: bool = False,
        removed: bool = False,
    ) -> World:
        """A push to the main branch that a webhook told of."""
        self.database.execute(
            "INSERT INTO integration.pushes (received_at, conn_id, workspace, repository_id, body_hash, place,"
            " old_hash, new_hash, forced, removed, pushed_by, pushed_by_type)"
            " VALUES (%s, 'bitbucket_default', %s, %s, %s, 0, %s, %s, %s, %s, %s, %s)",
            (
                days_ago(age),
                WORKSPACE,
                identity(slug),
                str(next(self._pushes)),
                "0" * 40,
                None if removed else new,
                forced,
                removed,
                identity("ada"),
                kind,
            ),
        )
        return self

    # what people declare

    def classify(
        self,
        target_type: str,
        target: str,
        classification: str,
        sensitivity: str | None = None,
        workspace: str | None = None,
    ) -> World:
        self.database.execute(
            "INSERT INTO registry.classification (workspace, target_type, target, classification, sensitivity,"
            " declared_by) VALUES (%s, %s, %s, %s, %s, 'tester')",
            (workspace, target_type, target, classification, sensitivity),
        )
        return self

    def roster(
        self,
        *rows: Mapping[str, Any],
        imported_at: datetime | None = None,
        name: str = "main",
        refused: Sequence[Mapping[str, Any]] = (),
    ) -> World:
        """A new roster; a row's status is ``active`` unless it says otherwise. ``refused``: rows that can't be used."""
        import_id = self._import("roster", len(rows), imported_at or self.now - timedelta(days=1), name)
        for line, row in enumerate(refused, start=len(rows) + 2):
            self.database.execute(
                "INSERT INTO registry.refused_rows (import_id, line, problems, email, name, account_id, other_emails)"
                " VALUES (%s, %s, '{column status: is unknown}', %s, %s, %s, %s)",
                (
                    import_id,
                    line,
                    row.get("email"),
                    row.get("name"),
                    row.get("account_id"),
                    row.get("other_emails", []),
                ),
            )
        for line, row in enumerate(rows, start=2):
            self.database.execute(
                "INSERT INTO registry.people (import_id, line, email, name, status, end_date, account_id,"
                " other_emails) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    import_id,
                    line,
                    row.get("email"),
                    row.get("name"),
                    row.get("status", "active"),
                    row.get("end_date"),
                    row.get("account_id"),
                    row.get("other_emails", []),
                ),
            )
        return self

    def _import(self, kind: str, rows: int, imported_at: datetime, roster_name: str = "main") -> int:
        row = self.database.execute(
            "INSERT INTO registry.imports"
            " (kind, file_name, file_sha256, row_count, imported_by, imported_at, roster_name)"
            " VALUES (%s, 'file.csv', 'f', %s, 'tester', %s, %s) RETURNING import_id",
            (kind, rows, imported_at, roster_name),
        ).fetchone()
        assert row is not None
        return int(row["import_id"])

    def evidence(
        self,
        test_id: str,
        captured_on: date,
        *,
        scope: str = "workspace",
        status: str = "accepted",
        workspace: str | None = None,
        submitted_at: datetime | None = None,
        covers: Iterable[str] = (),
        targets: Iterable[str] = (),
    ) -> str:
        """A piece of evidence, covering the repositories of these slugs; returns its id."""
        row = self.database.execute(
            "INSERT INTO registry.evidence (test_id, scope, workspace, kind, captured_on, targets, submitted_by,"
            " submitted_at, file_name, file_sha256) VALUES (%s, %s, %s, %s, %s, %s, 'os:tester', %s, 'f', 'f')"
            " RETURNING evidence_id::text AS evidence_id",
            (
                test_id,
                scope,
                workspace,
                "mfa_export" if scope == "members" else "screenshot",
                captured_on,
                list(targets),
                submitted_at or self.now - timedelta(hours=1),
            ),
        ).fetchone()
        assert row is not None
        self.database.execute(
            "INSERT INTO registry.policy_versions (policy_version, body) VALUES ('p', '{}') ON CONFLICT DO NOTHING"
        )
        decisions = {"submitted": [], "withdrawn": ["accepted", "withdrawn"]}.get(status, [status])
        for decision in decisions:
            self.database.execute(
                "INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, policy_version)"
                " VALUES (%s, %s, 'os:other', 'p')",
                (row["evidence_id"], decision),
            )
        for slug in covers:
            self.database.execute(
                "INSERT INTO registry.evidence_subjects (evidence_id, workspace, subject_type, subject_id)"
                " VALUES (%s, %s, 'repository', %s)",
                (row["evidence_id"], WORKSPACE, identity(slug)),
            )
        return str(row["evidence_id"])

    def mfa_export(
        self, *rows: tuple[str | None, str | None, bool | str], captured_on: date = TODAY, **more: Any
    ) -> str:
        """A member-by-member export: (e-mail, account id, switched on or what the row says instead)."""
        evidence_id = self.evidence("user_mfa_enabled", captured_on, scope="members", **more)
        for line, row in enumerate(rows, start=2):
            self.database.execute(
                "INSERT INTO registry.evidence_members (evidence_id, line, email, account_id, two_step)"
                " VALUES (%s, %s, %s, %s, %s)",
                (evidence_id, line, *row[:2], row[2] if isinstance(row[2], str) else "on" if row[2] else "off"),
            )
        return evidence_id

    # judging

    def judge(self, test_id: str) -> dict[str, Row]:
        """One run: land, stage, judge; verdicts by the subject's name."""
        return {row["subject_name"]: row for row in self._run([test_id])}

    def judge_all(self) -> dict[tuple[str, str], Row]:
        """One run with every test of the catalogue; verdicts by test and subject's id."""
        return {(row["test_id"], row["subject_id"]): row for row in self._run([test.test_id for test in CATALOGUE])}

    def _run(self, test_ids: Sequence[str]) -> list[Row]:
        run_id = f"run {next(_runs)}"
        start_run(WORKSPACE, run_id)
        self.database.execute(
            "UPDATE integration.runs SET started_at = %s WHERE run_id = %s",
            (self.now, run_id),
        )
        with task_frame("everything", WORKSPACE, run_id) as (connection, run):
            writer = LandingWriter(connection, run)
            for answer in self._answers():
                writer.add(answer)
            writer.flush()
            self._note_readings(connection, run_id)
            stage_landing(connection, run)
            for test_id in test_ids:
                judge(connection, run, test_id)
        finish_run(WORKSPACE, run_id)
        return self.database.execute("SELECT * FROM judged.verdicts WHERE run_id = %s", (run_id,)).fetchall()

    def _note_readings(self, connection: psycopg.Connection[Row], run_id: str) -> None:
        """As extract notes that nothing is left to ask of a repository."""
        for repository in self.repositories:
            if not repository.unread:
                connection.execute(
                    "INSERT INTO landing.repository_reads (workspace, repository_id, run_id, read_at, complete,"
                    " main_branch, non_production, read_signature) VALUES (%s, %s, %s, %s, true, %s, false, '')"
                    " ON CONFLICT (workspace, repository_id) DO UPDATE"
                    " SET run_id = excluded.run_id, read_at = excluded.read_at, main_branch = excluded.main_branch",
                    (WORKSPACE, repository.repository_id, run_id, READ_AT, repository.main_branch),
                )

    def _answers(self) -> list[CallResult]:
        listings = [
            CallResult("repositories", "ok", objects=[(r.repository_id, _listed(r)) for r in self.repositories]),
            CallResult("members", "ok", objects=[(body["user"]["uuid"], body) for body in self.members]),
            CallResult("workspace", "ok", objects=[(WORKSPACE_ID, {"uuid": WORKSPACE_ID, "slug": WORKSPACE})]),
        ]
        if self.lookup:
            confirmed = [
                (f"{email.strip().lower()} {member_id}", {"user": {"email": email, "uuid": member_id}})
                for email, member_id in self.confirmed
            ]
            listings.append(CallResult("member_emails", "ok", objects=confirmed, item_key="0"))
            if self.lookup != "ok":  # the next batch of addresses did not go so well
                listings.append(CallResult("member_emails", self.lookup, item_key="1"))
        for answer in listings:
            object.__setattr__(answer, "fetched_at", READ_AT)
        return [*listings, *itertools.chain.from_iterable(r.answers() for r in self.repositories)]


def _check(kind: str, requirement: int | None, enforced: bool) -> Row:
    return {
        "type": "standard_merge_check",
        "required": enforced,
        "check": {"kind": kind},
        "requirement": None if requirement is None else {kind: requirement},
    }


def _listed(repository: Repository) -> Row:
    return {
        "uuid": repository.repository_id,
        "slug": repository.slug,
        "name": repository.slug.title(),
        "full_name": f"{WORKSPACE}/{repository.slug}",
        "is_private": repository.private,
        "mainbranch": {"name": repository.main_branch} if repository.main_branch else None,
        "size": repository.size,
        "project": {"key": repository.project} if repository.project else None,
    }


def outcome(verdict: Row) -> tuple[str, str | None, str]:
    """What a verdict says, without its words."""
    return verdict["status"], verdict["basis"], verdict["reason_code"]
