"""The audit trail: who did what in the console or by a command, before and after. Rows are added, never changed."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection

Facts = Mapping[str, Any]

_as_json: Final = partial(json.dumps, default=str, ensure_ascii=False)


def record(
    connection: Connection, actor: str, action: str, subject: str, before: Facts | None, after: Facts | None
) -> None:
    """Add an entry within the caller's transaction.

    Args:
        actor: who did it; see ``core.persons``.
        action: ``object.verb`` in the past: ``evidence.accepted``.
        subject: to what: an id or a name.
        before: what held before, as far as the action concerns it; None: nothing did. Never a secret.
        after: what holds since; None: nothing does.
    """
    held = (None if facts is None else Jsonb(facts, dumps=_as_json) for facts in (before, after))
    connection.execute(
        "INSERT INTO integration.console_audit (actor, action, subject, before, after) VALUES (%s, %s, %s, %s, %s)",
        (
            actor,
            action,
            subject,
            *held,
        ),
    )
