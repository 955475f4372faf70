"""Deletes our webhooks at Bitbucket, as far as Bitbucket lets us, and what is recorded of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.client.errors import (
    AuthenticationError,
    BitbucketError,
    ConfigurationError,
    DatabaseUnavailable,
    NotFound,
    PermissionMissing,
    RateLimited,
    ScopeMissing,
    Unreachable,
)
from bitbucket_cloud.database import Database
from bitbucket_cloud.webhooks.records import Place, Webhooks, only_one

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Removed:
    """What ``remove`` did.

    Attributes:
        deleted: webhooks that are gone.
        left: a sentence for each that could not be deleted, and why.
    """

    deleted: int
    left: tuple[str, ...] = ()


def remove(client: BitbucketClient, database: Database, workspaces: Iterable[str]) -> Removed:
    """Delete our webhooks of these workspaces and of their repositories; forget them whether that worked or not.

    The caller forgets the secrets (``WebhookSecrets.forget``), after which nothing they deliver is accepted.

    Raises:
        DatabaseUnavailable: the database fails.
    """
    deleted = 0
    left: list[str] = []
    for workspace in dict.fromkeys(workspaces):
        with only_one(database, client.settings.conn_id, workspace):
            removal = _Removal(Webhooks(client, database, workspace))
            removal.run()
        deleted += removal.deleted
        left += removal.left
    return Removed(deleted, tuple(left))


class _Removal:
    """One call of ``remove`` in one workspace."""

    def __init__(self, webhooks: Webhooks) -> None:
        self.webhooks = webhooks
        self.deleted = 0
        self.left: list[str] = []
        # Why nothing more is asked: the connection is refused, or Bitbucket does not answer.
        self.given_up: BitbucketError | None = None

    def run(self) -> None:
        """Delete what is there, then forget it."""
        for hook_id in self._of_workspace():
            self._delete(Place(self.webhooks.workspace), hook_id)
        for row in self.webhooks.recorded.values():
            if row["repository_id"] and row["hook_id"]:
                self._delete(self.webhooks.place_of(row), row["hook_id"])
        self.webhooks.forget()

    def _of_workspace(self) -> list[str]:
        """The workspace's webhooks of ours: the recorded one, and any other that the listing shows."""
        place = Place(self.webhooks.workspace)
        try:
            return [hook["uuid"] for hook in self.webhooks.find(place, self._urls())]
        except (PermissionMissing, ScopeMissing, NotFound) as error:
            # Where the identity may not look, it never registered one; unless it was an owner then.
            log.info("the webhooks of %s can't be listed: %s", place, error)
        except DatabaseUnavailable:
            raise
        except BitbucketError as error:
            self._give_up(error)
            log.warning("the webhooks of %s can't be listed: %s", place, error)
        recorded = self.webhooks.row(place).get("hook_id")
        return [recorded] if recorded else []

    def _urls(self) -> set[str]:
        return {row["url"] for row in self.webhooks.recorded.values()}

    def _delete(self, place: Place, hook_id: str) -> None:
        reason = self.given_up
        if reason is None:
            try:
                self.deleted += self.webhooks.delete(place, hook_id)
                return
            except DatabaseUnavailable:
                raise
            except BitbucketError as error:
                reason = error
                self._give_up(error)
        where = f"{place.owner.capitalize()} settings, Webhooks"
        self.left.append(f"the webhook of {place} is left at Bitbucket: {reason}; delete it there ({where})")

    def _give_up(self, error: BitbucketError) -> None:
        """Where asking again would fail in the same way, nothing more is asked."""
        if isinstance(error, AuthenticationError | ConfigurationError | RateLimited | Unreachable):
            self.given_up = error
