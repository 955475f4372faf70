"""``review``: accept, reject or withdraw evidence or an exception."""

from __future__ import annotations

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, one_of
from bitbucket_compliance.commands.environment import database, operator


def _check(evidence: str, exception: str, decision: str, reason: str) -> None:
    if bool(evidence) == bool(exception):
        raise CommandError("give --evidence=id or --exception=id, one of the two, and --decision")


@command(
    "review",
    "decide on evidence or on an exception",
    Flag("evidence", "id", "the evidence to decide on"),
    Flag("exception", "id", "or the exception"),
    Flag(
        "decision", "accept|reject|withdraw", "what you decide", one_of("accept", "reject", "withdraw"), required=True
    ),
    Flag("reason", "why", "why; needed to reject or withdraw"),
    check=_check,
)
def review(evidence: str, exception: str, decision: str, reason: str) -> None:
    """Decide as the user of the operating system, and say what that means.

    Raises:
        EvidenceRefused, ExceptionRefused: see ``decide`` of ``bitbucket_compliance.registry``'s modules.
    """
    with database() as connection:
        if evidence:
            from bitbucket_compliance.registry.evidence import decide as decide_evidence

            found = decide_evidence(connection, evidence, decision, decided_by=operator(), reason=reason or None)
            head, lines = f"{found.status}: evidence {found.evidence_id}", found.lines
            shows = "results show it from the next run on"
            covers = f"{head}; it covers {_count(found.subjects, 'subject')}"
        else:
            from bitbucket_compliance.registry.exceptions import decide as decide_exception

            noted = decide_exception(connection, exception, decision, decided_by=operator(), reason=reason or None)
            head, lines = f"{noted.status}: exception {noted.exception_id} for {noted.test_id} in {noted.workspace}", ()
            shows = "results show it from the next run or housekeeping on"
            until = f"until {noted.expires_at:%Y-%m-%d %H:%M} UTC"
            covers = f"{head}; it covers {_count(noted.subjects, 'failing subject')} {until}"
    print(covers if decision == "accept" else head)
    for line in lines:
        print(line)
    if decision != "reject":
        print(f"{shows}; they stay failing" if exception and decision == "accept" else shows)


def _count(number: int | None, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
