"""Who on a declared list is which member: by account id or by a confirmed e-mail address, never by name alone."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

#: the roster that is meant where nobody names one
MAIN_ROSTER: Final = "main"


def comparable_name(name: str | None) -> str:
    """A display name for comparison: Unicode NFKC, case-folded, white space run together."""
    return " ".join(unicodedata.normalize("NFKC", name or "").casefold().split())


def comparable_names(people: "pd.DataFrame") -> set[str]:
    """The names on a declared list, for comparison."""
    return {comparable_name(person["name"]) for person in records(people)} - {""}


def with_row_keys(people: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of several rosters with ``line`` as the pair of the roster's name and the line, which no two rows share."""
    names = list(people["roster_name"]) if "roster_name" in people else [MAIN_ROSTER] * len(people)
    keys: list[Any] = list(zip(names, people["line"], strict=True))
    return people.assign(line=keys)


def as_one_mailbox(frame: "pd.DataFrame", without_dots: Sequence[str], without_tags: Sequence[str]) -> "pd.DataFrame":
    """The same rows with every address as ``mailbox`` gives it, so that spellings of one mailbox are equal."""
    if not (without_dots or without_tags):
        return frame

    def plain(email: Any) -> Any:
        return mailbox(email, without_dots, without_tags) if isinstance(email, str) else email

    changed = frame.assign(email=[plain(email) for email in frame["email"]])
    if "other_emails" in frame:
        others = [[plain(email) for email in emails or ()] for emails in frame["other_emails"]]
        changed["other_emails"] = others
    return changed.astype(object)


def mailbox(email: str, without_dots: Sequence[str], without_tags: Sequence[str]) -> str:
    """An address as its domain delivers it: without dots or a ``+tag`` where the policy names the domain."""
    local, at, domain = email.rpartition("@")
    if domain in map(str.lower, without_tags):
        local = local.partition("+")[0] or local
    if domain in map(str.lower, without_dots):
        local = local.replace(".", "") or local
    return f"{local}{at}{domain}"


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries, in its order; ``DataFrame.to_dict`` takes twenty times as long for a few."""
    names = list(frame.columns)
    return [dict(zip(names, row, strict=True)) for row in frame.to_numpy(dtype=object).tolist()]


def match_people(people: "pd.DataFrame", members: "pd.DataFrame", emails: "pd.DataFrame") -> "pd.DataFrame":
    """Pairs of declared row and member, those of rows that point at several members too; see ``members_of_one_row``.

    Args:
        people: a row each with ``line``, ``account_id``, ``email`` (both trimmed; case-folded here), and where a person
            has more addresses ``other_emails``, a list.
        members: ``member_id``, ``account_id``.
        emails: ``email``, ``member_id`` as Bitbucket confirmed them; of members alone are they looked at.

    Returns:
        ``line``, ``member_id``, ``matched_by`` (``account_id`` or ``email``); a row that matches a member both ways
        stands once, as ``account_id``.
    """
    import pandas as pd

    # Joins of frames take longer than all this for a few people, and no less for thousands.
    listed = set(members["member_id"])
    by_id = _members_by(records(members), "account_id")
    by_email = _members_by((row for row in records(emails) if row["member_id"] in listed), "email")
    ids = ((person["line"], person["account_id"]) for person in records(people))
    addresses = _addresses(people)
    pairs: dict[tuple[Any, str], str] = {}
    for how, named, found in (("account_id", ids, by_id), ("email", addresses, by_email)):
        for line, name in named:
            for member_id in found.get(name.casefold(), ()) if isinstance(name, str) else ():
                pairs.setdefault((line, member_id), how)
    rows = [(line, member_id, how) for (line, member_id), how in pairs.items()]
    return pd.DataFrame(rows, columns=["line", "member_id", "matched_by"], dtype=object)


def _members_by(rows: Iterable[dict[str, Any]], name: str) -> dict[str, list[str]]:
    """The ids of members by what a column says of them, case-folded."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if isinstance(row[name], str):
            found.setdefault(row[name].casefold(), []).append(row["member_id"])
    return found


def all_addresses(people: "pd.DataFrame") -> "pd.DataFrame":
    """``line`` and ``email`` of every address on a declared list."""
    import pandas as pd

    return pd.DataFrame(_addresses(people), columns=["line", "email"], dtype=object)


def _addresses(people: "pd.DataFrame") -> list[tuple[Any, str]]:
    return [
        (person["line"], email)
        for person in records(people)
        for email in (person["email"], *(person.get("other_emails") or ()))
        if isinstance(email, str)
    ]


def members_of_one_row(pairs: "pd.DataFrame") -> dict[Any, list[str]]:
    """The lines that point at more than one member, such as one's address beside another's account id, with these.

    Nobody knows whom of them such a row is about: it decides for none.
    """
    members: dict[Any, list[str]] = {}
    for pair in records(pairs):
        members.setdefault(pair["line"], []).append(pair["member_id"])
    return {line: sorted(named) for line, named in members.items() if len(named) > 1}


def rows_of_one_member(
    people: "pd.DataFrame", members: "pd.DataFrame", emails: "pd.DataFrame"
) -> list[tuple[Any, str]]:
    """The lines that point at one member alone, each with the member's id; args as for ``match_people``."""
    pairs = match_people(people, members, emails)
    unclear = members_of_one_row(pairs)
    return [(pair["line"], pair["member_id"]) for pair in records(pairs) if pair["line"] not in unclear]


# Reason code and sentence of an incomplete look-up of addresses, for a member whom nothing else decides.
INCOMPLETE_LOOKUP = {
    "failed": ("extract_failed", "Members could not be found by e-mail address in this run."),
    "not_found": ("extract_failed", "Members could not be found by e-mail address in this run."),
    "scope_missing": (
        "scope_missing",
        "Members can't be found by e-mail address: the connection lacks the scope account.",
    ),
    "permission_missing": (
        "permission_missing",
        "Members can't be found by e-mail address: only a workspace administrator's connection may look them up.",
    ),
}


def how_matched(people: "pd.DataFrame", members: "pd.DataFrame", emails: "pd.DataFrame") -> dict[str, str]:
    """How the list names each member: ``account_id``, else ``email``, else ``name``; others are left out.

    Args: as for ``match_people``; ``people`` has ``name`` and ``members`` has ``display_name`` besides.
    """
    pairs = match_people(people, members, emails)
    unclear = members_of_one_row(pairs)
    names = comparable_names(people)
    found = {
        member["member_id"]: "name"
        for member in records(members)
        if member["member_type"] != "app_user" and comparable_name(member["display_name"]) in names
    }
    for how in ("email", "account_id"):
        found.update(
            {
                pair["member_id"]: how
                for pair in records(pairs)
                if pair["matched_by"] == how and pair["line"] not in unclear
            }
        )
    return found
