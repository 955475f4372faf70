"""What was read of the sampled pull requests, beyond what lists carry, as columns of the sample."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bitbucket_compliance.reporting.audit import verify

#: One definition: what the package says, the program in it works out again.
_APPROVALS: Final[Callable[[Mapping[str, Any], set[str]], dict[str, Any]]] = verify.approvals_of
NOT_READ: Final = "its activity was not asked for"
NO_PULL_REQUEST: Final = "a push past pull requests has no activity"


@dataclass(frozen=True)
class SampleRead:
    """What was read of a sampled pull request.

    Attributes:
        activity: ``values``, ``is_whole`` (whether they are all); None: not read.
        statuses: of the commit that merged it, likewise.
        problems: why something is not read, a sentence each.
    """

    activity: Mapping[str, Any] | None
    statuses: Mapping[str, Any] | None
    problems: Sequence[str]
    read_at: datetime | None = None


#: by repository and number
SampleReads = Mapping[tuple[str, int], SampleRead]


@dataclass(frozen=True)
class ReadOfRow:
    """What the package holds of a drawn change.

    Attributes:
        columns: those of the sample, by name. kept: the file of what was read; None: nothing was.
    """

    columns: Mapping[str, Any]
    kept: Mapping[str, Any] | None = field(default=None)


def read_of(row: Mapping[str, Any], reads: SampleReads | None, not_peers: Collection[str]) -> ReadOfRow:
    """What is known of a drawn change by what was read.

    Args:
        row: of the sample. reads: None: nobody asked for any.
        not_peers: accounts whose approvals count for nothing, in lower case.
    """
    key = {"sample_key": row["sample_key"], "change_key": row["change_key"]}
    if row["pull_request_id"] is None:
        return ReadOfRow({**key, "not_known_because": NO_PULL_REQUEST if reads is not None else None})
    read = (reads or {}).get((row["repository_id"], row["pull_request_id"]))
    if read is None:
        why = NOT_READ if reads is None else "it was drawn after the sample was read: make the package again"
        return ReadOfRow({**key, "approved_before_last_change": "not known", "not_known_because": why})
    peers = _peers(row, read, not_peers)
    told: dict[str, Any] = {"approved_before_last_change": "not known", "not_known_because": None}
    problems = list(read.problems)
    if read.activity is not None and peers is None:
        problems.append("it is not known who opened it, so that nobody can be told for a peer")
    elif read.activity is not None and peers is not None:
        told = _APPROVALS(read.activity, set(peers))
    unknown = [one for one in (told["not_known_because"], *problems) if one]
    statuses = None if read.statuses is None else json.dumps(read.statuses["values"])
    columns = {
        **key,
        **told,
        "statuses": statuses,
        "not_known_because": "; ".join(unknown) or None,
        "read_at": read.read_at,
    }
    kept = {
        "peers": peers,
        "activity": read.activity,
        "statuses": read.statuses,
        "problems": problems,
        "read_at": read.read_at,
    }
    return ReadOfRow(columns, kept)


def _peers(row: Mapping[str, Any], read: SampleRead, not_peers: Collection[str]) -> list[str] | None:
    """Who approved as a peer: no author, no account of not_peers, and still approving when it was read as merged.

    None: the author is not known.
    """
    if not row["author_id"]:
        return None
    entries = read.activity["values"] if read.activity else ()
    users = [(one.get("approval") or {}).get("user") or {} for one in entries]
    approving = {user["uuid"].lower() for user in users if user.get("uuid")}
    if row["approved_by"] is not None:
        approving &= {one.lower() for one in row["approved_by"]}
    return sorted(approving - {row["author_id"].lower()} - set(not_peers))
