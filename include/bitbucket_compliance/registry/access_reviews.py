"""The access review: for each member somebody decides to keep or to revoke the access.

A decision is a record, with what its reviewer saw: nobody's access is changed by it. Rows are only ever added.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import ReviewRefused

DECISIONS = ("keep", "revoke")
#: whose access is kept for a reason alone, and what the roster says of them
NEED_A_REASON = {
    "left": "has left by the roster",
    "not_on_roster": "is not on the roster",
    "name_only": "is on the roster by name alone",
}
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
        decision: ``keep`` or ``revoke``. reason: needed to keep the access of somebody who has left, or whom the roster
            doesn't name for certain.

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
        doubtful = sorted(
            (row["display_name"] or row["member_id"], NEED_A_REASON[row["review_group"]])
            for row in rows
            if row["review_group"] in NEED_A_REASON
        )
        if decision == "keep" and doubtful and why is None:
            named = ", ".join(f"{name} {what}" for name, what in doubtful[:NAMES_SHOWN])
            more = f", and {len(doubtful) - NAMES_SHOWN} more" if len(doubtful) > NAMES_SHOWN else ""
            raise ReviewRefused(f"{named}{more}: say why the access is kept")
    return len(rows)


@dataclass(frozen=True)
class SignedOff:
    """An access review that was signed off: how many members there were, and what was decided on them."""

    members: int
    kept: int
    revoked: int


def sign_off(connection: Connection, workspace: str, *, signed_off_by: str, note: str | None = None) -> SignedOff:
    """Note that the access review of a workspace is done: on every member a decision stands.

    Args:
        signed_off_by: who says so; see ``core.persons``. note: what is to be said beside it.

    Raises:
        ReviewRefused: a decision is due, or there is no member; nothing is stored then.
    """
    said = _text(note)
    with connection.transaction():
        row = run_sql(
            connection,
            "registry/sign_off_review.sql",
            {"workspace": workspace, "signed_off_by": signed_off_by, "note": said},
        ).fetchone()
    if row is None:
        raise ReviewRefused(
            f"the review of workspace {workspace} is not done: decide first on those who are new, or changed since"
        )
    return SignedOff(**row)


def _text(reason: str | None) -> str | None:
    text = (reason or "").strip()
    if len(text) > LONGEST_REASON or any(not (c.isprintable() or c in "\r\n\t") for c in text):
        raise ReviewRefused(f"the reason is no text of {LONGEST_REASON} characters at most; shorten it")
    return text or None
