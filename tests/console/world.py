"""A workspace with published results, for the tests of pages that decide."""

from __future__ import annotations

import re
import uuid
from html import unescape
from typing import Any

from httpx import Response

from tests.conftest import Database

WORKSPACE = "acme"
HOSTILE = "<script>alert(1)</script>"
_PROBLEM = re.compile(r'id="problem">(.*?)</p>', re.DOTALL)
_MESSAGE = re.compile(r'<p class="message" role="status">(.*?)</p>', re.DOTALL)


def identity(name: str) -> str:
    """A uuid with braces, the same for the same name."""
    return "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, name)) + "}"


def problem(response: Response) -> str:
    """The one line that says why a form was refused."""
    found = _PROBLEM.search(response.text)
    assert found, response.text
    return unescape(found[1])


def message(response: Response) -> str:
    """What a page tells of what was just done."""
    found = _MESSAGE.search(response.text)
    assert found, response.text
    return unescape(found[1])


class Published:
    """Rows as a run publishes them."""

    def __init__(self, database: Database):
        self.database = database
        self._put(
            "integration.runs",
            run_id="run", workspace=WORKSPACE, status="published", policy_version="p", started_at=_NOW,
        )  # fmt: skip
        self._put("staging.workspaces", workspace=WORKSPACE, workspace_id=identity(WORKSPACE), data_as_of=_NOW)

    def repository(self, slug: str, project: str = "CORE", *, failing: bool = True, **more: Any) -> str:
        key = identity(slug)
        known = {"workspace": WORKSPACE, "repository_id": key, "slug": slug, "project_key": project}
        self._put("staging.repositories", **known, data_as_of=_NOW)
        self._put("compliance.repositories", **known, **{"visibility": "private", **more})
        if failing:
            self.result("branch_protection_enforced", "repository", slug)
        return key

    def member(self, name: str, **more: Any) -> str:
        key = identity(name)
        known = {"workspace": WORKSPACE, "member_id": key, "display_name": name, "member_type": "user"}
        self._put("staging.members", **known, data_as_of=_NOW)
        self._put("compliance.members", **{**known, "role": "member", **more})
        return key

    def result(self, test_id: str, subject_type: str, name: str, status: str = "failing") -> None:
        self._put(
            "compliance.results",
            workspace=WORKSPACE, test_id=test_id, test_title=test_id, severity="high", subject_type=subject_type,
            subject_id=identity(name), subject_name=name, status=status, reason_code="r", reason="r", detail="{}",
            first_seen_at=_NOW, status_since=_NOW, evaluated_at=_NOW, run_id="run", policy_version="p", facts_hash="f",
        )  # fmt: skip

    def many(self, count: int) -> None:
        """Repositories ``repo-00001`` and on, each in one of ten projects."""
        for table in ("staging", "compliance"):
            more, values = (", data_as_of", ", now()") if table == "staging" else (", visibility", ", 'private'")
            self.database.execute(
                f"INSERT INTO {table}.repositories (workspace, repository_id, slug, project_key{more})"  # type: ignore[arg-type]  # noqa: S608
                " SELECT %s, '{' || md5(number::text)::uuid || '}', 'repo-' || lpad(number::text, 5, '0'),"
                f" 'P' || number %% 10{values} FROM generate_series(1, %s) AS number",
                (WORKSPACE, count),
            )
            self.database.execute(f"ANALYZE {table}.repositories")  # type: ignore[arg-type]

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        return self.database.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def audited(self) -> list[tuple[str, str]]:
        """Who did what, the oldest first."""
        found = self.rows("SELECT actor, action FROM integration.console_audit ORDER BY audit_id")
        return [(row["actor"], row["action"]) for row in found]

    def _put(self, table: str, **values: Any) -> None:
        columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
        self.database.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({places})",  # type: ignore[arg-type]  # noqa: S608
            tuple(values.values()),
        )


_NOW = "now"
