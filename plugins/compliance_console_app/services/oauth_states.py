"""Consents under way: a person is sent to Bitbucket with a state that comes back once, soon, and with their login."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from bitbucket_compliance.core.errors import PipelineError
from compliance_console_app.database import Connection, row
from compliance_console_app.permissions import Person

MINUTES = 10


class ConsentRefused(PipelineError):
    """What the browser brought back from Bitbucket does not belong to a consent that this login began."""


@dataclass(frozen=True)
class Consent:
    """A consent that came back.

    Attributes:
        conn_id: the Airflow connection it is for.
        redirect_uri: as it was given to Bitbucket; the exchange of the code names it again.
    """

    conn_id: str
    redirect_uri: str


def begin(connection: Connection, person: Person, conn_id: str, redirect_uri: str) -> str:
    """A new state for this login; old ones of everybody are forgotten after a day."""
    state = secrets.token_urlsafe(32)
    values = {"conn_id": conn_id, "login": person.name, "redirect_uri": redirect_uri, "state_hash": _hash(state)}
    row(connection, "oauth_states/begin", values)
    return state


def take(connection: Connection, person: Person, state: str) -> Consent:
    """Use a state up; commits, so that it stays used whatever comes of the consent.

    Raises:
        ConsentRefused: it is unknown, another login's, used or too old.
    """
    values = {"state_hash": _hash(state), "login": person.name, "minutes": MINUTES}
    taken = row(connection, "oauth_states/take", values)
    connection.commit()
    if taken is not None:
        return Consent(taken["conn_id"], taken["redirect_uri"])
    found = row(connection, "oauth_states/find", values)
    raise ConsentRefused(f"not connected: {_reason(found, person)}; open Integrations and press Connect again")


def _reason(found: dict[str, object] | None, person: Person) -> str:
    if found is None:
        return "this answer was not asked for from here"
    if found["login"] != person.name:
        return "this answer was asked for by another login"
    if found["used_at"] is not None:
        return "this answer was used already"
    return f"it took longer than {MINUTES} minutes"


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()
