"""The access review: for each member somebody decides to keep or to revoke the access.

A decision is a record, with what its reviewer saw: nobody's access is changed by it. Rows are only ever added.
"""

from collections.abc import Sequence

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import ReviewRefused

DECISIONS = ("keep", "revoke")
LONGEST_REASON = 2000
NAMES_SHOWN = 5


def review(
    connection: Connection,
    workspace: str,
    member_ids: Sequence[str],
    decision: str,
    *,
    reviewed_by: str,
    reason: str | None = None,
) -> int:
    """Note the same decision on members of a workspace, all or none; returns on how many.

    Args:
        decision: ``keep`` or ``revoke``. reason: needed to keep an account that the roster doesn't name.

    Raises:
        ReviewRefused: says why this can't be decided so; nothing is stored then.
    """
    if decision not in DECISIONS:
        raise ReviewRefused(f"there is no decision {decision!r}; decide keep or revoke")
    members = list(dict.fromkeys(member_ids))
    if not members:
        raise ReviewRefused("nobody was named; choose one member or more")
    why = _text(reason)
    with connection.transaction():
        rows = run_sql(
            connection,
            "registry/review_access.sql",
            {
                "workspace": workspace,
                "member_ids": members,
                "decision": decision,
                "reason": why,
                "reviewed_by": reviewed_by,
            },
        ).fetchall()
        if len(rows) < len(members):
            raise ReviewRefused(
                f"{len(members) - len(rows)} of {len(members)} are no members of workspace {workspace} any more; "
                "nothing was decided, look at the list anew"
            )
        unnamed = sorted(row["display_name"] or row["member_id"] for row in rows if row["needs_review"])
        if decision == "keep" and unnamed and why is None:
            more = f" and {len(unnamed) - NAMES_SHOWN} more" if len(unnamed) > NAMES_SHOWN else ""
            raise ReviewRefused(
                f"the roster does not name {', '.join(unnamed[:NAMES_SHOWN])}{more}: say why the access is kept"
            )
    return len(rows)


def _text(reason: str | None) -> str | None:
    text = (reason or "").strip()
    if len(text) > LONGEST_REASON or any(not (c.isprintable() or c in "\r\n\t") for c in text):
        raise ReviewRefused(f"the reason is no text of {LONGEST_REASON} characters at most; shorten it")
    return text or None
