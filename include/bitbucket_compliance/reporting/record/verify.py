"""Work the record out again, and name what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bitbucket_compliance.core.database import Connection

#: The chain of what belongs to no workspace: rosters, evidence, policies.
SHARED = ""


@dataclass(frozen=True)
class Link:
    """A link of a chain.

    Attributes:
        workspace: slug; empty for what belongs to none.
        digest: SHA-256, hex.
    """

    workspace: str
    link: int
    digest: str


@dataclass(frozen=True)
class Misfit:
    """Something that is not as it was recorded.

    Attributes:
        where: its table and key.
        problem: what is wrong with it, in words.
        link: the link that sealed it; None where it was never recorded, or not sealed yet.
    """

    workspace: str
    where: str
    problem: str
    link: int | None


def heads(connection: Connection) -> list[Link]:
    """The newest link of each chain, in the order of workspaces."""
    query = (
        "SELECT DISTINCT ON (workspace) workspace, link, digest FROM compliance.record_links"
        " ORDER BY workspace, link DESC"
    )
    return [Link(**row) for row in connection.execute(query)]


def newest_digests(connection: Connection) -> dict[str, str]:
    """The digest of the newest link of each chain (SHA-256, hex), by workspace."""
    return {one.workspace: one.digest for one in heads(connection)}


def links_with(connection: Connection, digest: str) -> list[Link]:
    """The links, of whatever chain, that bear a digest (SHA-256, hex)."""
    query = "SELECT workspace, link, digest FROM compliance.record_links WHERE digest = %s"
    return [Link(**row) for row in connection.execute(query, (digest.lower(),))]


def misfits(connection: Connection, workspace: str) -> Iterator[Misfit]:
    """What of a chain does not fit, the first of it first."""
    query = "SELECT * FROM integration.verify_record(%s)"
    for row in connection.execute(query, (workspace,)):
        yield Misfit(workspace, f"{row['relation']} {row['row_key']}", row["problem"], row["link"])
