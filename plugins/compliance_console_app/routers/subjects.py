"""One repository, one member: every verdict on it, what it rests on, and what is declared and decided about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from bitbucket_compliance.registry import persons
from bitbucket_compliance.security_tests import BY_ID
from compliance_console_app.database import Connection, Database, row, rows
from compliance_console_app.permissions import MayDecide, Reader
from compliance_console_app.routers.members import CHANGES, GROUPS
from compliance_console_app.routers.past import PastPages
from compliance_console_app.services import bitbucket_links
from compliance_console_app.services.strips import strips
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.pages import page
from compliance_console_app.web.past import AsOf

router = APIRouter()

DAYS_SHOWN = 180
INTERVALS_SHOWN = 2000
MOST_SHOWN = 50


@router.get("/repositories/{key}")
def repository(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    key: str,
    past: AsOf,
) -> Response:
    """One repository, by its uuid or its slug."""
    if past:
        return PastPages(request, person, connection, selection, past).one("repositories", key)
    found = row(connection, "subjects/repository", {"workspace": selection.name, "key": key})
    gone = None if found else _gone(connection, selection.name, "repository", key)
    subject_id = found["repository_id"] if found else key
    told = _verdicts(connection, selection.name, "repository", subject_id)
    numbers, broke = _merges_named(told["results"])
    asked = {"workspace": selection.name, "subject_id": subject_id, "limit": MOST_SHOWN}
    return page(
        request,
        person,
        "repository.html",
        repository=found,
        gone=gone,
        subject_id=subject_id,
        name=(found["slug"] or subject_id) if found else gone["subject_name"] if gone else subject_id,
        merges=rows(connection, "subjects/merges", {**asked, "numbers": numbers, "broke": broke}),
        links=bitbucket_links.of_repository(selection.name, found["slug"]) if found else {},
        may_decide=may_decide,
        **told,
    )


@router.get("/members/{member_id}")
def member(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    member_id: str,
    past: AsOf,
) -> Response:
    """One member, by the uuid."""
    if past:
        return PastPages(request, person, connection, selection, past).one("members", member_id)
    found = row(connection, "subjects/member", {"workspace": selection.name, "key": member_id})
    gone = None if found else _gone(connection, selection.name, "member", member_id)
    return page(
        request,
        person,
        "member.html",
        member=found,
        gone=gone,
        subject_id=member_id,
        name=found["display_name"] if found else gone["subject_name"] if gone else member_id,
        links=bitbucket_links.of_member(selection.name, member_id),
        groups=GROUPS,
        changes=CHANGES,
        may_decide=may_decide,
        **_verdicts(connection, selection.name, "member", member_id),
    )


def _gone(connection: Connection, workspace: str, subject_type: str, key: str) -> dict[str, Any]:
    """A subject that only history knows.

    Raises:
        HTTPException: 404, nothing knows it.
    """
    found = row(connection, "subjects/gone", {"workspace": workspace, "subject_type": subject_type, "key": key})
    if found is None:
        raise HTTPException(404, detail=f"this workspace has no such {subject_type}")
    return found


def _verdicts(connection: Connection, workspace: str, subject_type: str, subject_id: str) -> dict[str, Any]:
    """What both pages show: verdicts, their past, exceptions and evidence."""
    now = datetime.now(UTC)
    since = now - timedelta(days=DAYS_SHOWN)
    asked = {"workspace": workspace, "subject_id": subject_id, "subject_type": subject_type}
    found = rows(connection, "subjects/results", asked)
    intervals = rows(connection, "subjects/history", {**asked, "moment": since, "limit": INTERVALS_SHOWN})
    begins = min((interval["begins"] for interval in intervals), default=since)
    ids = [str(one["evidence_id"]) for one in found if one["evidence_id"] and one["subject_type"] != "workspace"]
    return {
        "results": found,
        "strips": strips(intervals, begins, now),
        "strips_begin": begins,
        "open_findings": rows(connection, "subjects/findings", asked),
        "persons": persons.known(connection),
        "most": MOST_SHOWN,
        "exceptions": rows(connection, "subjects/exceptions", {**asked, "limit": MOST_SHOWN}),
        "evidence": rows(connection, "subjects/evidence", {**asked, "evidence_ids": ids, "limit": MOST_SHOWN}),
        "takes_evidence": [
            test_id for test_id, test in BY_ID.items() if test.manual or "evidence_accepted" in test.reasons
        ],
    }


def _merges_named(results: list[dict[str, Any]]) -> tuple[list[int], list[int]]:
    """Numbers of the pull requests that the verdicts looked at, and of those that broke a rule."""
    details = [one["detail"] or {} for one in results]
    looked_at = {number for detail in details for number in detail.get("merges") or ()}
    broke = {number for detail in details for number in detail.get("merges_that_broke_the_rule") or ()}
    return sorted(looked_at | broke), sorted(broke)
