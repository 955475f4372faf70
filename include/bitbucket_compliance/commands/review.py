"""``review``: accept, reject or withdraw evidence, an exception, or a policy that asks for less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, number, one_of
from bitbucket_compliance.commands.environment import database, operator

if TYPE_CHECKING:
    from bitbucket_compliance.core.database import Connection


def _check(evidence: str, exception: str, policy: int, decision: str, reason: str) -> None:
    if sum(map(bool, (evidence, exception, policy))) != 1:
        raise CommandError("give --evidence=id, --exception=id or --policy=number, one of them, and --decision")


@command(
    "review",
    "decide on evidence, on an exception or on a proposed policy",
    Flag("evidence", "id", "the evidence to decide on"),
    Flag("exception", "id", "or the exception"),
    Flag("policy", "number", "or the proposed policy", number, 0),
    Flag(
        "decision", "accept|reject|withdraw", "what you decide", one_of("accept", "reject", "withdraw"), required=True
    ),
    Flag("reason", "why", "why; needed to reject or withdraw"),
    check=_check,
)
def review(evidence: str, exception: str, policy: int, decision: str, reason: str) -> None:
    """Decide as the user of the operating system, and say what that means.

    Raises:
        EvidenceRefused, ExceptionRefused, PolicyRefused: it can't be decided so.
    """
    with database() as connection:
        if evidence:
            lines = list(_on_evidence(connection, evidence, decision, reason))
        elif exception:
            lines = list(_on_exception(connection, exception, decision, reason))
        else:
            lines = list(_on_policy(connection, policy, decision, reason))
    print(*lines, sep="\n")


def _on_evidence(connection: Connection, key: str, decision: str, reason: str) -> Iterator[str]:
    from bitbucket_compliance.registry.evidence import decide

    found = decide(connection, key, decision, decided_by=operator(), reason=reason or None)
    covers = f"; it covers {_count(found.subjects, 'subject')}" if decision == "accept" else ""
    yield f"{found.status}: evidence {found.evidence_id}{covers}"
    yield from found.lines
    if decision != "reject":
        yield "results show it from the next run on"


def _on_exception(connection: Connection, key: str, decision: str, reason: str) -> Iterator[str]:
    from bitbucket_compliance.registry.exceptions import decide

    noted = decide(connection, key, decision, decided_by=operator(), reason=reason or None)
    until = f"until {noted.expires_at:%Y-%m-%d %H:%M} UTC"
    covers = f"; it covers {_count(noted.subjects, 'failing subject')} {until}" if decision == "accept" else ""
    yield f"{noted.status}: exception {noted.exception_id} for {noted.test_id} in {noted.workspace}{covers}"
    if decision != "reject":
        shows = "results show it from the next run or housekeeping on"
        yield f"{shows}; they stay failing" if decision == "accept" else shows


def _on_policy(connection: Connection, key: int, decision: str, reason: str) -> Iterator[str]:
    from bitbucket_compliance.policy.overrides import DECISIONS
    from bitbucket_compliance.registry import persons
    from bitbucket_compliance.security_tests.policies import decide

    persons.note(connection, operator())
    proposal = decide(connection, key, decision, decided_by=operator(), reason=reason or None)
    yield f"{DECISIONS[decision]}: policy {key} of workspace {proposal.workspace}"
    if decision == "accept":
        yield "it is in force from the next run on"


def _count(number: int | None, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
