"""``explain``: print the chain behind one verdict of today or of an earlier day."""

from __future__ import annotations

from bitbucket_compliance.commands.command_line import Flag, command
from bitbucket_compliance.commands.environment import database


@command(
    "explain",
    "why a verdict is what it is",
    Flag("test", "peer_review_required", "id of the test", required=True),
    Flag("subject", "name", "a repository, member or workspace: slug, display name or uuid", required=True),
    Flag("at", "2026-03-31", "a day, at its end (UTC), or a time; now if left out"),
    Flag("workspace", "slug", "needed where several workspaces have a subject of that name"),
)
def explain(test: str, subject: str, at: str, workspace: str) -> None:
    """Print it.

    Raises:
        NothingToExplain: there is no such verdict.
    """
    from bitbucket_compliance.reporting.explain.chain import chain, moment_of
    from bitbucket_compliance.reporting.explain.render import render

    moment = moment_of(at)
    with database() as connection:
        print(render(chain(connection, test, subject, moment=moment, workspace=workspace or None)))
