"""The audit trail of the console; see ``bitbucket_compliance.core.audit``."""

from __future__ import annotations

from bitbucket_compliance.core import audit
from bitbucket_compliance.core.audit import Facts
from compliance_console_app.database import Connection
from compliance_console_app.permissions import Person


def record(
    connection: Connection, person: Person, action: str, subject: str, before: Facts | None, after: Facts | None
) -> None:
    """Add an entry within the caller's transaction: what a person did, and what held before and after it."""
    audit.record(connection, person.id, action, subject, before, after)
