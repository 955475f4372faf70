"""Exceptions: a risk that somebody owns is accepted until a day, for the failures that are known when it is accepted.

requested → accepted or rejected, once, by somebody who neither owns nor asked for it → expired, withdrawn, or re-opened
because the failure is no longer the one that was accepted. ``bitbucket_compliance.pipeline.publish.publish`` shows
exceptions in published results; the rule is design.md §5.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from bitbucket_compliance.core.audit import record
from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.core.errors import ExceptionRefused, PersonUnclear
from bitbucket_compliance.core.locks import lock_results
from bitbucket_compliance.core.persons import why_not_another
from bitbucket_compliance.policy.model import Policy
from bitbucket_compliance.policy.overrides import keep_version
from bitbucket_compliance.registry import persons
from bitbucket_compliance.security_tests import BY_ID
from bitbucket_compliance.security_tests.policies import policy_of

# A risk that is accepted for longer than a year is looked at again; a leap year is a year too.
LONGEST = timedelta(days=366)
LONGEST_TEXT = 2000
NAMES_SHOWN = 8
AUDITED = (
    "status", "test_id", "workspace", "scope", "target", "owner", "reason", "expires_at", "decision_reason",
    "self_accepted",
)  # fmt: skip
DECISIONS = {"accept": "accepted", "reject": "rejected", "withdraw": "withdrawn"}

_UUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\ud800-\udfff]")


@dataclass(frozen=True)
class ExceptionRequest:
    """What somebody asks to accept; exactly one of subject, project and pattern.

    Attributes:
        subject: uuid of a repository, member or workspace, or its slug or display name.
        owner: a person who is known here, as ``airflow:anna`` or ``anna``.
        project: key of a project. pattern: glob of repository slugs, in which only ``*`` is special.
        expires_at: from when it covers nothing any more (aware).
    """

    test_id: str
    workspace: str
    owner: str
    reason: str
    expires_at: datetime
    subject: str = ""
    project: str = ""
    pattern: str = ""


@dataclass(frozen=True)
class RecordedException:
    """An exception after a request or a decision.

    Attributes:
        status: requested, accepted, rejected or withdrawn.
        subjects: failing subjects that it covers; None unless it was accepted.
    """

    exception_id: str
    status: str
    test_id: str
    workspace: str
    expires_at: datetime
    subjects: int | None = None


# -------------------------------------------------------------------- request


def request(connection: Connection, asked: ExceptionRequest, *, requested_by: str) -> RecordedException:
    """Ask for an exception; in a transaction of its own.

    Raises:
        ExceptionRefused: a test, workspace, subject, project or pattern that names nothing that is judged, an owner
            whom nobody knows, no reason, an expiry that is past or too far away; names the value and what to do.
        PersonUnclear: ``requested_by`` names nobody.
    """
    typed_owner = _text("owner", asked.owner, "name who owns the risk")
    reason = _text("reason", asked.reason, "say why the risk is to be accepted")
    with connection.transaction():
        _check_test(asked.test_id)
        workspace = _workspace(connection, asked.workspace)
        _check_expiry(connection, asked.expires_at)
        scope, target = _scope(connection, asked, workspace)
        persons.note(connection, requested_by)
        owner = _owner(connection, typed_owner)
        row = one_row(
            connection.execute(
                """
                INSERT INTO registry.exceptions (
                    workspace, test_id, scope, target, owner, reason, expires_at, requested_by
                )
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
                RETURNING exception_id::text AS exception_id
                """,
                (workspace, asked.test_id, scope, target, owner, reason, asked.expires_at, requested_by),
            )
        )
        after = _facts(_state(connection, row["exception_id"]))
        record(connection, requested_by, "exception.requested", row["exception_id"], None, after)
    return RecordedException(row["exception_id"], "requested", asked.test_id, workspace, asked.expires_at)


def end_of_day(connection: Connection, day: date, workspace: str) -> datetime:
    """The instant at which an exception until a day, that day included, expires in the policy's time zone."""
    zone = ZoneInfo(policy_of(connection, workspace).thresholds.time_zone)
    try:
        return datetime.combine(day + timedelta(days=1), time(), zone)
    except OverflowError:
        raise ExceptionRefused(f"{day} is too far away: an exception holds {LONGEST.days} days at most") from None


def _text(name: str, value: str, hint: str) -> str:
    text = value.strip()
    if not text:
        raise ExceptionRefused(f"the {name} is empty: {hint}")
    if len(text) > LONGEST_TEXT or _CONTROL.search(text):
        raise ExceptionRefused(f"the {name} is no text of {LONGEST_TEXT} characters at most; shorten it: {hint}")
    return text


def _owner(connection: Connection, typed: str) -> str:
    try:
        return persons.named(connection, typed)
    except PersonUnclear as unclear:
        raise ExceptionRefused(f"the owner of the risk: {unclear}") from unclear


def _check_test(test_id: str) -> None:
    if test_id not in BY_ID:
        raise ExceptionRefused(f"test {test_id!r} is unknown; known: {', '.join(BY_ID)}")


def _workspace(connection: Connection, name: str) -> str:
    rows = connection.execute(
        "SELECT workspace FROM compliance.runs WHERE status = 'published'"
        " UNION SELECT workspace FROM compliance.results ORDER BY workspace"
    ).fetchall()
    published = [row["workspace"] for row in rows]
    found = [slug for slug in published if slug.lower() == name.strip().lower()]
    if not found:
        raise ExceptionRefused(
            f"workspace {name!r} has no published results; "
            + (f"known: {_some(published, name)}" if published else "let a run read it first")
        )
    return name.strip() if name.strip() in found else found[0]


def _check_expiry(connection: Connection, expires_at: datetime) -> None:
    now: datetime = one_row(connection.execute("SELECT clock_timestamp() AS now"))["now"]
    if expires_at <= now:
        raise ExceptionRefused(f"the expiry {expires_at:%Y-%m-%d %H:%M %Z} is past; name a day to come")
    # A day is named, not an hour: the last one counts to its end, in whichever time zone.
    if expires_at > now + LONGEST + timedelta(days=2):
        latest = (now + LONGEST).date()
        raise ExceptionRefused(
            f"the expiry {expires_at:%Y-%m-%d %H:%M %Z} is too far away: an exception holds {LONGEST.days} days at "
            f"most; name {latest} or earlier, and ask again then"
        )


def _scope(connection: Connection, asked: ExceptionRequest, workspace: str) -> tuple[str, str]:
    """What is to be covered, as stored: scope and target."""
    given = {name: getattr(asked, name).strip() for name in ("subject", "project", "pattern")}
    named = [name for name, value in given.items() if value]
    if len(named) != 1:
        raise ExceptionRefused(
            f"{'too much' if named else 'nothing'} was named to be covered; name one subject, one project or one "
            "pattern of repository slugs"
        )
    scope = named[0]
    _text(scope, given[scope], "give it as Bitbucket does")
    if scope == "subject":
        return scope, _subject(connection, given[scope], asked.test_id, workspace)
    about = BY_ID[asked.test_id].subject_type
    if about != "repository":
        raise ExceptionRefused(f"test {asked.test_id} judges a {about}, not repositories: name one subject")
    return scope, (_project if scope == "project" else _pattern)(connection, given[scope], workspace)


def _subject(connection: Connection, name: str, test_id: str, workspace: str) -> str:
    rows = connection.execute(
        "SELECT subject_id, coalesce(subject_name, subject_id) AS subject_name FROM compliance.results"
        " WHERE workspace = %s AND test_id = %s ORDER BY subject_name, subject_id",
        (workspace, test_id),
    ).fetchall()
    by_uuid = _UUID.fullmatch(name.lower())
    if by_uuid:
        found = [row["subject_id"] for row in rows if row["subject_id"].lower() == f"{{{by_uuid[1]}}}"]
    else:
        found = [row["subject_id"] for row in rows if row["subject_name"].casefold() == name.casefold()]
    if len(found) > 1:
        raise ExceptionRefused(
            f"{name!r} names {len(found)} subjects of test {test_id} in workspace {workspace}; "
            f"name one by its uuid: {', '.join(found)}"
        )
    if not found:
        known = _some([row["subject_name"] for row in rows], name)
        raise ExceptionRefused(
            f"test {test_id} judged no {name!r} in workspace {workspace}; "
            + (f"known: {known}" if known else "it judged nobody there")
        )
    return str(found[0])


def _project(connection: Connection, key: str, workspace: str) -> str:
    rows = connection.execute(
        "SELECT DISTINCT project_key FROM compliance.repositories"
        " WHERE workspace = %s AND project_key IS NOT NULL ORDER BY project_key",
        (workspace,),
    ).fetchall()
    keys = [str(row["project_key"]) for row in rows]
    found = [known for known in keys if known.lower() == key.lower()]
    if not found:
        raise ExceptionRefused(
            f"no repository of workspace {workspace} is in a project {key!r}; known: {_some(keys, key) or 'none'}"
        )
    return found[0]


def _pattern(connection: Connection, pattern: str, workspace: str) -> str:
    rows = connection.execute(
        "SELECT slug, staging.glob_matches(%s, lower(slug)) AS matches FROM compliance.repositories"
        " WHERE workspace = %s AND slug IS NOT NULL ORDER BY slug",
        (pattern.lower(), workspace),
    ).fetchall()
    if not any(row["matches"] for row in rows):
        raise ExceptionRefused(
            f"pattern {pattern!r} matches no repository of workspace {workspace}; only * is special; "
            f"known: {_some([row['slug'] for row in rows], pattern) or 'none'}"
        )
    return pattern


def _some(names: Sequence[str], wanted: str) -> str:
    """The names, or those of them that are most like what was wanted."""
    if len(names) <= NAMES_SHOWN:
        return ", ".join(names)
    shown = get_close_matches(wanted, names, NAMES_SHOWN, 0.5) or names[:NAMES_SHOWN]
    return f"{', '.join(shown)} and {len(names) - len(shown)} more"


# --------------------------------------------------------------------- decide


def would_cover(connection: Connection, exception_id: str) -> list[dict[str, Any]]:
    """What an exception would cover if it were accepted now, by the rule of accepting; nothing of it is kept.

    Returns:
        ``subject_id``, ``subject_name``, ``status`` and ``severity`` of each failing subject in its scope.
    """
    key = {"exception_id": exception_id}
    with connection.transaction(force_rollback=True):
        run_sql(connection, "registry/freeze_exception.sql", key)
        return run_sql(connection, "registry/exception_would_cover.sql", key).fetchall()


def decide(
    connection: Connection, exception_id: str, decision: str, *, decided_by: str, reason: str | None = None
) -> RecordedException:
    """Accept, reject or withdraw an exception; in a transaction of its own.

    Accepting freezes the subjects in its scope that fail now and the facts they fail on: it covers these from the next
    publication on, and no others.

    Args:
        decision: ``accept``, ``reject`` or ``withdraw``; the latter two need a reason.
        decided_by: who decides so; see ``core.persons``.

    Raises:
        PersonUnclear: ``decided_by`` names nobody.
        ExceptionRefused: no such exception or decision, it was decided already, whoever decides owns it or asked for
            it (and the policy does not allow that), it expired, or nothing in its scope fails.
    """
    if decision not in DECISIONS:
        raise ExceptionRefused(f"decision {decision!r} is unknown; known: {', '.join(DECISIONS)}")
    why = _text("reason", reason, "say why") if reason and reason.strip() else None
    if why is None and decision != "accept":
        raise ExceptionRefused(f"the reason is empty: say why you {decision} it")
    with connection.transaction():
        row = _locked(connection, exception_id)
        _check_open(row, decision)
        policy = policy_of(connection, row["workspace"])
        persons.note(connection, decided_by)
        is_alone = decision != "withdraw" and _check_reviewer(row, decided_by, policy)
        subjects = _freeze(connection, row) if decision == "accept" else None
        key = str(row["exception_id"])
        connection.execute(
            "INSERT INTO registry.exception_decisions"
            " (exception_id, decision, decided_by, reason, policy_version, self_review)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (key, DECISIONS[decision], decided_by, why, keep_version(connection, policy), is_alone),
        )
        after = _facts(_state(connection, key))
        record(connection, decided_by, f"exception.{DECISIONS[decision]}", key, _facts(row), after)
    return RecordedException(key, DECISIONS[decision], row["test_id"], row["workspace"], row["expires_at"], subjects)


def _locked(connection: Connection, exception_id: str) -> dict[str, Any]:
    """The exception as it stands; whoever decides on it next waits until the transaction ends."""
    try:
        known = UUID(exception_id.strip())
    except ValueError:
        known = None
    if known is not None:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('compliance exception ' || %s, 0))", (known,))
        with suppress(LookupError):
            return _state(connection, str(known))
    raise ExceptionRefused(f"there is no exception {exception_id!r}; the list of exceptions shows their ids")


def _state(connection: Connection, exception_id: str) -> dict[str, Any]:
    return one_row(
        connection.execute(
            "SELECT states.*, clock_timestamp() >= states.expires_at AS is_expired"
            " FROM registry.exception_states AS states WHERE states.exception_id = %s::uuid",
            (exception_id,),
        )
    )


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    """What the audit trail keeps of an exception."""
    return {name: row[name] for name in AUDITED if row[name] not in (None, False)}


def _check_open(row: dict[str, Any], decision: str) -> None:
    """Whether the decision can still be taken."""
    open_states = ("requested", "accepted") if decision == "withdraw" else ("requested",)
    name = f"exception {row['exception_id']}"
    if row["status"] not in open_states:
        raise ExceptionRefused(
            f"{name} was {row['status']} by {row['decided_by']} on {row['decided_at']:%Y-%m-%d %H:%M %Z}; "
            "ask for a new one where the risk is to be looked at again"
        )
    if row["is_expired"]:
        raise ExceptionRefused(f"{name} expired on {row['expires_at']:%Y-%m-%d %H:%M %Z}; ask for a new one")


def _check_reviewer(row: dict[str, Any], decided_by: str, policy: Policy) -> bool:
    """Two persons look at a risk: one owns it or asks for it, another one decides. Whether the policy allows less."""
    why = why_not_another(decided_by, [row["owner"], row["requested_by"]])
    if why and not policy.thresholds.allow_self_review:
        role = f"is owned by {row['owner']} and was asked for by {row['requested_by']}"
        raise ExceptionRefused(
            f"exception {row['exception_id']} {role}: {why} (policy thresholds.allow_self_review relaxes this)"
        )
    return why is not None


def _freeze(connection: Connection, row: dict[str, Any]) -> int:
    """Freeze what fails now; no publication comes between this and the decision."""
    lock_results(connection, row["workspace"])
    # Whoever had to wait for a publication may have waited too long.
    if one_row(connection.execute("SELECT clock_timestamp() >= %s AS late", (row["expires_at"],)))["late"]:
        raise ExceptionRefused(f"exception {row['exception_id']} has just expired; ask for a new one")
    frozen = run_sql(connection, "registry/freeze_exception.sql", {"exception_id": row["exception_id"]}).rowcount
    if not frozen:
        raise ExceptionRefused(
            f"exception {row['exception_id']}: nothing that {row['scope']} {row['target']} covers fails test "
            f"{row['test_id']} in workspace {row['workspace']} now; reject it, or accept it after a run in which it "
            "fails"
        )
    return frozen


# ----------------------------------------------------------------------- list


def listed(connection: Connection, workspace: str = "") -> Iterable[dict[str, Any]]:
    """Rows of ``compliance.exceptions``, the open ones first, then the newest."""
    return connection.execute(
        """
        SELECT exceptions.* FROM compliance.exceptions AS exceptions
        WHERE %(workspace)s::text = '' OR lower(exceptions.workspace) = lower(%(workspace)s)
        ORDER BY
            array_position(ARRAY['requested', 'accepted'], exceptions.status) ASC NULLS LAST,
            exceptions.requested_at DESC,
            exceptions.exception_id ASC
        """,
        {"workspace": workspace.strip()},
    ).fetchall()
