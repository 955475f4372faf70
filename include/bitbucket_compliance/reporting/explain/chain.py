"""Gather the chain behind one published verdict: interval, calls, landed bodies, what people declared, policy."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import PipelineError
from bitbucket_compliance.resources.catalogue import RESOURCES
from bitbucket_compliance.security_tests import BY_ID
from bitbucket_compliance.security_tests.model import SecurityTest

Row = dict[str, Any]
INTERVALS_SHOWN = 6
NAMES_SHOWN = 5


class NothingToExplain(PipelineError):
    """No such test, subject or day; the message says what there is."""


@dataclass(frozen=True)
class Chain:
    """Everything one verdict rests on.

    Attributes:
        test: the test.
        verdict: its interval in ``compliance.result_history``.
        calls: the newest call of each resource until then, as far as calls are kept.
        bodies: the landed objects that were current then, newest body each.
        evidence, exception, entry, rosters: what people declared, where the verdict rests on it.
        thresholds: those of the policy that the test depends on.
        intervals: how the result went on and off, newest first.
    """

    test: SecurityTest
    verdict: Row
    calls: list[Row]
    bodies: list[Row]
    evidence: Row | None
    exception: Row | None
    entry: Row | None
    rosters: list[Row]
    thresholds: Mapping[str, Any]
    intervals: list[Row]


def moment_of(text: str | None, *, now: datetime | None = None) -> datetime:
    """The instant that ``AT`` names: a day means its end (UTC), or now where that lies ahead; nothing means now.

    Raises:
        NothingToExplain: neither a date nor a time, or one to come.
    """
    now = now or datetime.now(UTC)
    if not text:
        return now
    try:
        if len(text) == len("2026-03-31"):
            moment = datetime.combine(date.fromisoformat(text), time.max, tzinfo=UTC)
        else:
            moment = datetime.fromisoformat(text)
    except ValueError as bad:
        raise NothingToExplain(f"AT={text} is no date: write 2026-03-31 or 2026-03-31T12:00:00+00:00") from bad
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment - timedelta(days=1) > now:
        raise NothingToExplain(f"AT={text} lies in the future")
    return min(moment, now)


def chain(
    connection: Connection, test_id: str, subject: str, *, moment: datetime, workspace: str | None = None
) -> Chain:
    """What the verdict of one subject rested on at an instant; reads only.

    Args:
        test_id: of the catalogue.
        subject: its uuid, or its name exactly as Bitbucket gives it (slug, display name, workspace slug).
        moment: aware.
        workspace: slug; needed where two workspaces have a subject of this name.

    Raises:
        NothingToExplain: unknown test or subject, more than one subject of that name, or no verdict then.
    """
    if test_id not in BY_ID:
        raise NothingToExplain(f"unknown test {test_id!r}; the tests are {', '.join(BY_ID)}")
    test = BY_ID[test_id]
    verdict = _verdict(connection, test_id, subject, moment, workspace)
    keys = {
        "workspace": verdict["workspace"],
        "test_id": test_id,
        "subject_id": verdict["subject_id"],
        # An interval holds as long as the facts do: those of its first run are those of every day in it.
        "moment": verdict["valid_from"],
        "data_as_of": verdict["data_as_of"],
        "resources": sorted(
            # What the verdict rests on, and what names the subject itself.
            test.resources | {resource.name for resource in RESOURCES if resource.identifies == test.subject_type}
        ),
    }
    bodies = run_sql(connection, "reporting/explain/bodies.sql", keys).fetchall()
    detail = verdict["detail"]
    return Chain(
        test=test,
        verdict=verdict,
        calls=run_sql(connection, "reporting/explain/calls.sql", keys).fetchall(),
        bodies=bodies,
        evidence=_one(connection, "evidence", {"evidence_id": detail.get("evidence_id")}),
        exception=_one(connection, "exception", {"exception_id": verdict["exception_id"]}),
        entry=_one(connection, "entry", {**keys, "entry": detail.get("entry")}, needs="entry"),
        rosters=_rosters(connection, test, keys, bodies),
        thresholds=_thresholds(connection, test, verdict["policy_version"]),
        intervals=run_sql(connection, "reporting/explain/intervals.sql", {**keys, "limit": INTERVALS_SHOWN}).fetchall(),
    )


def _verdict(connection: Connection, test_id: str, subject: str, moment: datetime, workspace: str | None) -> Row:
    keys = {"test_id": test_id, "subject": subject, "moment": moment, "workspace": workspace}
    found = run_sql(connection, "reporting/explain/verdict.sql", keys).fetchall()
    if len(found) == 1:
        return found[0]
    if len({row["workspace"] for row in found}) > 1:
        slugs = ", ".join(sorted({row["workspace"] for row in found}))
        raise NothingToExplain(f"{subject!r} stands in more than one workspace: add WORKSPACE= one of {slugs}")
    if found:
        ids = ", ".join(row["subject_id"] for row in found)
        raise NothingToExplain(f"{subject!r} names {len(found)} subjects: give the uuid, one of {ids}")
    raise NothingToExplain(_why_nothing(connection, keys))


def _why_nothing(connection: Connection, keys: Mapping[str, Any]) -> str:
    known = run_sql(connection, "reporting/explain/known_subjects.sql", keys).fetchall()
    if not known:
        return f"{keys['test_id']}: no verdict was published yet; run make run WORKSPACE=slug first"
    wanted = str(keys["subject"]).casefold()
    same = [row for row in known if wanted in ((row["subject_name"] or "").casefold(), row["subject_id"].strip("{}"))]
    if same:
        return (
            f"{keys['test_id']}: {keys['subject']!r} had no verdict at {keys['moment']:%Y-%m-%d %H:%M} UTC; "
            f"it is known as {same[0]['subject_name']} ({same[0]['subject_id']}) "
            f"from {same[0]['known_from']:%Y-%m-%d %H:%M} UTC on"
        )
    names = sorted({row["subject_name"] for row in known if row["subject_name"]})
    near = difflib.get_close_matches(str(keys["subject"]), names, NAMES_SHOWN, 0.4) or names[:NAMES_SHOWN]
    return f"{keys['test_id']}: no subject is called {keys['subject']!r}; among the {len(known)} are {', '.join(near)}"


def _one(connection: Connection, name: str, keys: Mapping[str, Any], needs: str | None = None) -> Row | None:
    if keys[needs or next(iter(keys))] is None:
        return None
    return run_sql(connection, f"reporting/explain/{name}.sql", keys).fetchone()


def _rosters(connection: Connection, test: SecurityTest, keys: Mapping[str, Any], bodies: list[Row]) -> list[Row]:
    if test.subject_type != "member" or "registry" not in test.bases:
        return []
    users = [body["body"].get("user") or {} for body in bodies]
    return run_sql(
        connection,
        "reporting/explain/roster.sql",
        {
            **keys,
            "account_id": next((user["account_id"] for user in users if user.get("account_id")), None),
            "emails": [user["email"].strip().lower() for user in users if user.get("email")],
        },
    ).fetchall()


def _thresholds(connection: Connection, test: SecurityTest, policy_version: str) -> Mapping[str, Any]:
    row = run_sql(connection, "reporting/explain/policy.sql", {"policy_version": policy_version}).fetchone()
    thresholds = row["body"]["thresholds"] if row else {}
    return {name: thresholds[name] for name in test.thresholds if name in thresholds}
