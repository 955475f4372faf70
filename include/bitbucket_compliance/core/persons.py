"""Who did something: a person is a name at an identity provider, written ``airflow:anna`` or ``os:root``.

``airflow`` is who signed in to Airflow, ``os`` who was logged in to the machine that a command ran on. A person is kept
in the form that is compared: two persons are the same where the two texts are, here and in the database (its domain
``registry.person`` takes no other form).
"""

import os
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from bitbucket_compliance.core.errors import PersonUnclear

AIRFLOW: Final = "airflow"
OPERATING_SYSTEM: Final = "os"
PROVIDERS: Final = (AIRFLOW, OPERATING_SYSTEM)
#: setting that tells which login of the operating system is whose Airflow login: ``root=admin,anna=anna``
LOGINS: Final = "COMPLIANCE_LOGINS"
LONGEST: Final = 200

# Letters and marks that show nothing, in categories of those that do.
_SHOWS_NOTHING: Final = frozenset("\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f") | {
    chr(code) for code in range(0xFE00, 0xFE10)
}
_INVISIBLE: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def person(provider: str, login: str) -> str:
    """The person that a provider knows by a login.

    Raises:
        PersonUnclear: the login is empty, too long, or holds characters that would make it look like another one.
    """
    name = _comparable(login)
    wrong = _problem(name)
    if provider not in PROVIDERS:
        wrong = f"the identity provider {provider!r} is unknown; known: {', '.join(PROVIDERS)}"
    if wrong:
        raise PersonUnclear(f"login {ascii(login)[:80]}: {wrong}")
    return f"{provider}:{name}"


def known_form(text: str) -> str:
    """``text``, where it names a person as ``person`` does.

    Raises:
        PersonUnclear: it doesn't.
    """
    provider, colon, login = text.partition(":")
    if not colon or person(provider, login) != text:
        raise PersonUnclear(f"{ascii(text)[:80]} names no person; write airflow:login or os:login")
    return text


def shown(text: str) -> str:
    """A person as people read them: ``anna`` of ``airflow:anna``, ``root (command line)`` of ``os:root``.

    What names no person so stays as it is, and so does a login that could be taken for another one's.
    """
    provider, _, login = text.partition(":")
    if provider not in PROVIDERS or not login or "(" in login:
        return text
    return login if provider == AIRFLOW else f"{login} (command line)"


def of_operating_system(login: str, environment: Mapping[str, str] = os.environ) -> str:
    """Who a login of the operating system is: an Airflow login where ``COMPLIANCE_LOGINS`` says so.

    Raises:
        PersonUnclear: the setting can't be read, or the login names nobody.
    """
    mapped = _logins(environment.get(LOGINS, ""))
    own = person(OPERATING_SYSTEM, login)
    return person(AIRFLOW, mapped[own]) if own in mapped else own


def why_not_another(decider: str, others: Iterable[str]) -> str | None:
    """Why whoever decides counts as no other person than these; None: they are different ones."""
    for other in others:
        if decider == other:
            return f"{decider} can't decide on what is their own, somebody else has to decide"
        if decider.partition(":")[0] != other.partition(":")[0]:
            return (
                f"{decider} and {other} sign in at different places and could be the same person: set {LOGINS} "
                "(login of the operating system=Airflow login), or decide where the other one signed in"
            )
    return None


def _logins(setting: str) -> dict[str, str]:
    """By person of the operating system, the Airflow login."""
    found = {}
    for pair in filter(None, (part.strip() for part in setting.split(","))):
        own, equals, airflow = (part.strip() for part in pair.partition("="))
        if not (own and equals and airflow):
            raise PersonUnclear(f"{LOGINS}: {ascii(pair)[:80]} is no pair; write root=admin,anna=anna")
        found[person(OPERATING_SYSTEM, own)] = airflow
    return found


def _comparable(login: str) -> str:
    """NFKC, case-folded, without what can't be seen, white space run together."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", login).casefold()).lower()
    seen = "".join(" " if c.isspace() else c for c in plain if c.isspace() or not _is_invisible(c))
    return " ".join(seen.split())


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE or character in _SHOWS_NOTHING


def _problem(name: str) -> str | None:
    if not name:
        return "it is empty; sign in with a login that has a name"
    if len(name) > LONGEST:
        return f"it is longer than {LONGEST} characters; use a shorter one"
    odd = [c for c in name if not (c.isalnum() or (c.isascii() and c.isprintable()))]
    if odd:
        return f"it holds {odd[0]!a}, which no login has; use letters, digits and signs of ASCII"
    scripts = {unicodedata.name(c, "?").partition(" ")[0] for c in name if c.isalpha()}
    if len(scripts) > 1:
        return (
            f"it mixes letters of {' and '.join(sorted(scripts))}, which can look like another login; use one alphabet"
        )
    return None
