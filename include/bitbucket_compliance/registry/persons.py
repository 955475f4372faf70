"""The persons that are known here: who signed in to the console, or acted by a command."""

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import PersonUnclear
from bitbucket_compliance.core.persons import PROVIDERS, known_form, person


def note(connection: Connection, who: str) -> str:
    """Remember that a person was here; returns them. Joins the caller's transaction.

    Raises:
        PersonUnclear: it names no person.
    """
    connection.execute("INSERT INTO registry.persons (person) VALUES (%s) ON CONFLICT DO NOTHING", (known_form(who),))
    return who


def known(connection: Connection) -> list[str]:
    """Everybody, in the order of the alphabet."""
    return [row["person"] for row in connection.execute("SELECT person FROM registry.persons ORDER BY person")]


def named(connection: Connection, typed: str) -> str:
    """The known person that somebody means: ``airflow:anna``, or ``anna`` where there is one of that name.

    Raises:
        PersonUnclear: nobody is known by it, or several are.
    """
    meant = _meant(typed)
    found = [one for one in known(connection) if one in meant]
    if len(found) == 1:
        return found[0]
    if found:
        raise PersonUnclear(f"{typed.strip()} is {' and '.join(found)}; name one of them")
    raise PersonUnclear(
        f"nobody here is known as {ascii(typed.strip())[:80]}: name somebody who has opened the console or handed "
        "something in by a command, or let them do so first"
    )


def _meant(typed: str) -> list[str]:
    provider, colon, login = typed.strip().partition(":")
    if colon and provider in PROVIDERS:
        return [person(provider, login)]
    return [person(each, typed) for each in PROVIDERS]
