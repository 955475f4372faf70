"""Judge user_mfa_enabled: does accepted, unexpired evidence show two-step verification? Rules: design.md §5, test 2.

Bitbucket's own ``has_2fa_enabled`` is never requested and never decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from bitbucket_compliance.security_tests.matching import (
    INCOMPLETE_LOOKUP,
    all_addresses,
    as_one_mailbox,
    match_people,
    members_of_one_row,
    records,
)
from bitbucket_compliance.security_tests.tables import Tables
from bitbucket_compliance.security_tests.verdicts import Verdict, as_frame

if TYPE_CHECKING:
    import pandas as pd


# Reason code and sentence of what evidence says of a member.
_SAID = {
    "on": ("mfa_enabled", "The {kind} captured on {day} shows two-step verification switched on."),
    "off": ("mfa_disabled", "The {kind} captured on {day} shows two-step verification switched off."),
    "single_sign_on": (
        "mfa_at_identity_provider",
        "The {kind} captured on {day} shows that this member signs in through SAML single sign-on, and no two-step "
        "verification of the account's own.",
    ),
    "deactivated": ("account_deactivated", "The {kind} captured on {day} shows that the account is deactivated."),
    "unclear": (
        "evidence_unclear",
        "The {kind} captured on {day} does not say for certain whether two-step verification is switched on.",
    ),
}


@dataclass(frozen=True)
class _Cover:
    """What one piece of evidence says of one member."""

    evidence_id: str
    kind: str
    captured_on: date
    says: str
    matched_by: str | None


def judge(tables: Tables) -> "pd.DataFrame":
    """Verdicts for all members of the workspace."""
    mailboxes = tables.thresholds.domains_without_dots, tables.thresholds.domains_without_tags
    return decide(
        members=tables.read("members"),
        emails=as_one_mailbox(tables.read("member_emails"), *mailboxes),
        evidence=as_one_mailbox(tables.read("mfa_evidence"), *mailboxes),
        lookup=tables.value("email_lookup"),
        today=tables.today,
        validity_days=tables.thresholds.evidence_validity_days,
    )


def decide(
    *,
    members: "pd.DataFrame",
    emails: "pd.DataFrame",
    evidence: "pd.DataFrame",
    lookup: str | None,
    today: date,
    validity_days: int,
) -> "pd.DataFrame":
    """The rules, on plain tables.

    Args:
        members: ``member_id, account_id, display_name, member_type``.
        emails: ``email, member_id``, confirmed by Bitbucket.
        evidence: newest first: ``evidence_id, captured_on, line, email, account_id, two_step`` of exports,
            ``other_emails`` where there are any; ``kind`` and ``member_id`` besides, where there are screenshots, which
            name members themselves.
        lookup: outcome of the look-up of addresses; None where there was nothing to look up.
        today: the day of the run. validity_days: evidence holds for so many days, the day of capture included.
    """
    evidence = evidence.reindex(columns=[*dict.fromkeys([*evidence.columns, "kind", "member_id"])])
    evidence = evidence[evidence["captured_on"] <= today]
    covers = _covers_by_member(members, emails, evidence)
    # An address nobody looked up matters only where the row behind it could still decide.
    valid = evidence[evidence["captured_on"] > today - timedelta(days=validity_days)]
    unresolved = lookup if set(all_addresses(valid)["email"]) - set(emails["email"]) else None

    def verdict(member: dict[str, Any]) -> Verdict:
        code, reason, cover = _decide_member(
            member, covers.get(member["member_id"], []), unresolved, today, validity_days
        )
        facts = {"evidence_id": cover.evidence_id} if cover else {}
        detail = {**facts, "captured_on": cover.captured_on.isoformat()} if cover else {}
        if cover and cover.matched_by:
            detail["matched_by"] = cover.matched_by
        return Verdict(member["member_id"], code, reason, detail, facts)

    return as_frame(verdict(member) for member in records(members))


def _decide_member(
    member: dict[str, Any], covers: list[_Cover], lookup: str | None, today: date, validity_days: int
) -> tuple[str, str, _Cover | None]:
    if member["member_type"] == "app_user":
        return "app_user", "An app has no two-step verification of its own.", None
    valid = [
        cover for cover in covers if cover.captured_on <= today < cover.captured_on + timedelta(days=validity_days)
    ]
    if valid:
        # What a picture shows of these members is the policy of their identity provider, whenever it was captured.
        pictures = [cover for cover in valid if cover.kind == "screenshot"]
        newest = pictures[0] if valid[0].says == "single_sign_on" and pictures else valid[0]
        code, sentence = _SAID[newest.says]
        return code, sentence.format(kind=newest.kind, day=newest.captured_on), newest
    if lookup in INCOMPLETE_LOOKUP:
        return *INCOMPLETE_LOOKUP[lookup], None
    if covers:
        reason = (
            f"The newest {covers[0].kind} that covers this member, of {covers[0].captured_on}, is past its validity."
        )
        return "evidence_expired", reason, covers[0]
    return "evidence_missing", "No accepted evidence covers this member.", None


def _covers_by_member(
    members: "pd.DataFrame", emails: "pd.DataFrame", evidence: "pd.DataFrame"
) -> dict[str, list[_Cover]]:
    """Newest evidence first."""
    covers: dict[str, list[_Cover]] = {}
    for evidence_id, rows in evidence.groupby("evidence_id", sort=False):
        first = records(rows.head(1))[0]
        is_screenshot = first["kind"] == "screenshot"
        kind, captured_on = "screenshot" if is_screenshot else "export", first["captured_on"]
        found = _shown(rows) if is_screenshot else _listed(rows, members, emails)
        for member_id, (says, matched_by) in found.items():
            covers.setdefault(member_id, []).append(_Cover(str(evidence_id), kind, captured_on, says, matched_by))
    return covers


def _shown(rows: "pd.DataFrame") -> dict[str, tuple[str, str | None]]:
    """By member, frozen when the screenshot was accepted: that it is switched on."""
    return {row["member_id"]: (row["two_step"], None) for row in records(rows)}


def _listed(rows: "pd.DataFrame", members: "pd.DataFrame", emails: "pd.DataFrame") -> dict[str, tuple[str, str | None]]:
    """By member: what the lines of an export say, and how they name the member; lines that differ are unclear."""
    said = {row["line"]: row["two_step"] for row in records(rows)}
    matched = match_people(rows.drop(columns="member_id"), members, emails)
    of_several = members_of_one_row(matched)
    found: dict[str, list[dict[str, Any]]] = {}
    for pair in records(matched):
        found.setdefault(pair["member_id"], []).append(pair)
    return {
        member_id: (
            _agreed([None if pair["line"] in of_several else said[pair["line"]] for pair in pairs]),
            min(pair["matched_by"] for pair in pairs),
        )
        for member_id, pairs in found.items()
    }


def _agreed(said: Sequence[str | None]) -> str:
    """What several lines say together; None: one that may be about somebody else, and takes no "off" away."""
    own = set(said) - {None}
    if own == {"off"}:
        return "off"
    agreed = own.pop() if len(own) == 1 and None not in said else None
    return agreed or "unclear"
