"""The audit trail: who did what in the console, before and after. Rows are added, never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from psycopg.types.json import Jsonb

from compliance_console_app.database import Connection, row
from compliance_console_app.permissions import Person

Facts = Mapping[str, Any]

_as_json = partial(json.dumps, default=str, ensure_ascii=False)


def record(
    connection: Connection, person: Person, action: str, subject: str, before: Facts | None, after: Facts | None
) -> int:
    """Add an entry within the caller's transaction; its number.

    Args:
        connection: of this request.
        person: who did it.
        action: ``object.verb`` in the past: ``evidence.accepted``.
        subject: to what: an id or a name.
        before: what held before, as far as the action concerns it; None: nothing did. Never a secret.
        after: what holds since; None: nothing does.
    """
    values = {
        "actor": person.name,
        "action": action,
        "subject": subject,
        "before": None if before is None else Jsonb(before, dumps=_as_json),
        "after": None if after is None else Jsonb(after, dumps=_as_json),
    }
    added = row(connection, "audit/record", values)
    return int(added["audit_id"]) if added else 0
