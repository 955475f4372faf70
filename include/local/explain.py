"""`make explain`: print the chain behind one verdict of today or of an earlier day."""

from __future__ import annotations

from typing import Final

from local.services import LocalError, data_postgres

USAGE: Final = (
    "usage: make explain TEST=peer_review_required SUBJECT=repository-or-member [AT=2026-03-31] [WORKSPACE=slug]"
)


def explain(test: str, subject: str, at: str, workspace: str) -> int:
    """Print it; errors name what is missing.

    Raises:
        LocalError: TEST or SUBJECT is missing.
        NothingToExplain: there is no such verdict.
    """
    from bitbucket_compliance.reporting.explain.chain import chain, moment_of
    from bitbucket_compliance.reporting.explain.render import render

    if not (test and subject):
        raise LocalError(USAGE)
    moment = moment_of(at)
    with data_postgres() as connection:
        print(render(chain(connection, test, subject, moment=moment, workspace=workspace or None)))
    return 0
