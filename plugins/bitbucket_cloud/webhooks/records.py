"""Our webhooks at Bitbucket, and what the table ``webhooks`` records of them.

Ours is the webhook that is recorded, else one that delivers to our address, else one with our description; never one
that another connection registered. Nobody else's webhook is ever changed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.database import Database
from bitbucket_cloud.errors import NotFound, UnreadableBody

log = logging.getLogger(__name__)

#: For how long what is known of a repository's webhook is believed: asking costs a request each.
CHECK_IS_WORTH = timedelta(days=7)

State = Literal["active", "disabled", "missing", "not_allowed", "failed"]

_SQL = Path(__file__).parent


@dataclass(frozen=True)
class Place:
    """What has, or should have, a webhook: the workspace, or one repository of it.

    Attributes:
        workspace: slug, or uuid with braces.
        repository_id: uuid with braces; empty for the workspace.
        slug: of the repository, where it is known.
    """

    workspace: str
    repository_id: str = ""
    slug: str = ""

    @property
    def owner(self) -> str:
        """As the names of endpoints have it."""
        return "repository" if self.repository_id else "workspace"

    @property
    def path(self) -> dict[str, Any]:
        """Path parameters. By uuid: a repository that was renamed would answer with a redirect."""
        path: dict[str, Any] = {"workspace": self.workspace}
        return {**path, "repo_slug": self.repository_id} if self.repository_id else path

    def __str__(self) -> str:
        """In words, such as "workspace acme" or "repository acme/app"."""
        name = self.slug or self.repository_id
        return f"repository {self.workspace}/{name}" if self.repository_id else f"workspace {self.workspace}"


class Webhooks:
    """The connection's own webhooks of one workspace (slug or uuid) and its repositories.

    Attributes:
        recorded: rows by repository uuid (empty: the workspace's), the one looked at longest ago first.
    """

    def __init__(self, client: BitbucketClient, database: Database, workspace: str) -> None:
        self.client = client
        self.workspace = workspace
        self._database = database
        self._keys = {"conn_id": client.settings.conn_id, "workspace": workspace}
        with database.transaction() as connection:
            found = database.run(connection, _SQL / "recorded.sql", **self._keys, worth=CHECK_IS_WORTH).fetchall()
        self.recorded: dict[str, dict[str, Any]] = {row["repository_id"]: row for row in found if row["is_ours"]}
        self._of_others = {row["hook_id"] for row in found if not row["is_ours"]}

    @property
    def description(self) -> str:
        """How our webhooks are called at Bitbucket."""
        return f"{self._label}{self.client.settings.conn_id})"

    @property
    def _label(self) -> str:
        return f"{self._database.configuration.webhook_label} ("

    def row(self, place: Place) -> dict[str, Any]:
        """What is recorded of a place; empty where nothing is."""
        return self.recorded.get(place.repository_id, {})

    def place_of(self, row: Mapping[str, Any]) -> Place:
        """The place that a recorded row is about."""
        return Place(self.workspace, row["repository_id"], row["slug"])

    def find(self, place: Place, urls: Iterable[str]) -> list[dict[str, Any]]:
        """Ours among the webhooks of a place, the one to keep first; ``urls``: the addresses that are ours.

        Raises:
            UnreadableBody: none was seen, in a listing that may lack some.
        """
        addresses = set(urls)
        slugs = {place.repository_id: place.slug} if place.slug else None
        listing = self.client.read_whole(f"{place.owner}_webhooks", key=_uuid, called=slugs, **place.path)
        found = [
            (rank, hook)
            for hook in listing.values
            if (rank := self._rank(hook, self.row(place).get("hook_id"), addresses)) is not None
        ]
        doubt = listing.doubt(_uuid)
        if doubt and not found:
            raise UnreadableBody(
                f"the listing of webhooks of {place} {doubt.reason}; run again", requests=listing.requests
            )
        return [hook for _, hook in sorted(found, key=lambda ranked: ranked[0])]

    def _rank(self, hook: Mapping[str, Any], recorded: str | None, urls: set[str]) -> int | None:
        """How surely a webhook is ours, 0 the most; None: it isn't."""
        uuid, description = hook.get("uuid"), str(hook.get("description") or "")
        if not isinstance(uuid, str) or not uuid or uuid in self._of_others:
            return None
        if uuid == recorded:
            return 0
        if description == self.description:
            return 1 if hook.get("url") in urls else 3
        # Another connection may deliver to the same address.
        return 2 if hook.get("url") in urls and not description.startswith(self._label) else None

    def delete(self, place: Place, hook_id: str) -> bool:
        """Delete one at Bitbucket; False: it was gone already, which is fine too."""
        try:
            self.client.send(f"delete_{place.owner}_webhook", **place.path, uid=hook_id)
        except NotFound:
            log.info("webhook %s of %s was gone already", hook_id, place)
            return False
        return True

    def record(self, place: Place, row: Mapping[str, Any]) -> None:
        """Keep what is known of a place's webhook."""
        values = {"repository_id": place.repository_id, "slug": place.slug, **row}
        with self._database.transaction() as connection:
            self._database.run(connection, _SQL / "record.sql", **self._keys, **values)
        self.recorded[place.repository_id] = {**values, "is_old": False}

    def forget(self, place: Place | None = None) -> None:
        """Delete what is recorded of a place; of all of them without one."""
        repository_id = None if place is None else place.repository_id
        with self._database.transaction() as connection:
            self._database.run(connection, _SQL / "forget.sql", **self._keys, repository_id=repository_id)
        for gone in list(self.recorded) if place is None else [place.repository_id]:
            self.recorded.pop(gone, None)


def _uuid(hook: Mapping[str, Any]) -> str | None:
    uuid = hook.get("uuid")
    return uuid if isinstance(uuid, str) else None


@contextmanager
def only_one(database: Database, conn_id: str, workspace: str) -> Iterator[None]:
    """Wait until no other process looks after these webhooks; two at once would create them twice."""
    connection = database.connect()
    try:
        with database.errors():
            connection.autocommit = True
            database.run(connection, _SQL / "lock.sql", conn_id=conn_id, workspace=workspace)
        yield
    finally:
        connection.close()
