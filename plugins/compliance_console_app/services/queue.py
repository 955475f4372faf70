"""The overview's work queue and first steps: what waits, how much of it, and the page where it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compliance_console_app.database import Connection, row
from compliance_console_app.services.frame import Frame


@dataclass(frozen=True)
class Task:
    """Something that somebody has to do.

    Attributes:
        text: what waits. count: how much of it; None: it isn't counted.
        path: the page, below the console's root. query: of the page. button: what its button says.
        is_late: whether it should have been done by now.
    """

    text: str
    count: int | None
    path: str
    button: str
    query: Mapping[str, str]
    is_late: bool = False


def queue(connection: Connection, workspace: str, frame: Frame) -> list[Task]:
    """What waits in a workspace, what is late first; nothing that is not there."""
    counts: dict[str, Any] = {**frame.waiting, **(row(connection, "overview/queue", {"workspace": workspace}) or {})}
    state = [Task(banner.text, None, banner.path, banner.button, {}, True) for banner in frame.banners]
    known: tuple[tuple[str, str, str, str, dict[str, str], bool], ...] = (
        ("gone", "left by the roster, still has access", "members", "Review access", {"roster": "left"}, True),
        ("overdue", "findings past their due date", "findings", "Look at them", {"section": "overdue"}, True),
        ("soon", "findings due within 7 days", "findings", "Look at them", {"section": "soon"}, False),
        ("evidence", "evidence to review", "evidence", "Review evidence", {}, False),
        ("exceptions", "exceptions to decide", "exceptions", "Decide", {}, False),
        ("policies", "policy changes to decide", "policies", "Decide", {}, False),
        ("evidence_expiring", "evidence that expires within 14 days", "evidence", "See which", {}, False),
        ("exceptions_ending", "accepted risks that end within 14 days", "exceptions", "See which", {}, False),
        ("access", "members whose access is to be reviewed", "members", "Review access", {"review": "due"}, False),
    )
    found = [
        Task(text, counts[name], path, button, query, late)
        for name, text, path, button, query, late in known
        if counts.get(name)
    ]
    return state + found


@dataclass(frozen=True)
class Step:
    """One of the first steps."""

    text: str
    why: str
    is_done: bool
    path: str
    button: str
    query: Mapping[str, str]


def first_steps(connection: Connection, workspace: str) -> list[Step]:
    """The first steps in their order; empty when all of them are done."""
    done = row(connection, "overview/first_steps", {"workspace": workspace}) or {}
    steps = [
        Step(
            "Classify repositories",
            "Which are production: unclassified ones fail.",
            done["classification"],
            "repositories",
            "Classify",
            {"classification": "unclassified"},
        ),
        Step(
            "Upload a roster",
            "Who works here: without it nobody can tell who has left.",
            done["roster"],
            "imports/new",
            "Upload",
            {"kind": "roster"},
        ),
        Step(
            "Upload the export of two-step verification",
            "Bitbucket does not tell who uses it.",
            done["mfa"],
            "imports/new",
            "Upload",
            {"kind": "mfa"},
        ),
        Step(
            "Invite a reviewer",
            "Evidence and accepted risks need a second person: give one a login of Airflow that may edit the DAG "
            "bitbucket_compliance, and let them open this page once.",
            done["reviewer"],
            "",
            "",
            {},
        ),
    ]
    return [] if all(step.is_done for step in steps) else steps
