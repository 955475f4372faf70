"""Webhooks at Bitbucket: registered, kept as they should be, and removed.

A workspace gets one webhook. Where the identity owns no workspace, its repositories get one each. What is there is
recorded in ``integration.webhooks`` right after each of Bitbucket's answers, so that whoever is stopped in the middle
loses track of one at most; the next who comes finds that one by its address.

Ours is the webhook that is recorded, else one that delivers to our address, else one with our description; never one
that another connection registered. Nobody else's webhook is ever changed. Sources: Bitbucket's official document, paths
with ``/hooks``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.client.urls import origin_of
from bitbucket_cloud.database import Store, run_sql
from bitbucket_cloud.errors import (
    AuthenticationError,
    BitbucketError,
    ConfigurationError,
    NeverReached,
    NotFound,
    PermissionMissing,
    RateLimited,
    ScopeMissing,
    ServerError,
    StoreUnavailable,
    Unreachable,
    UnreadableBody,
)
from bitbucket_cloud.settings import is_plain_http_abroad
from bitbucket_cloud.webhooks.secrets import Secret, WebhookSecrets

log = logging.getLogger(__name__)

URL_VARIABLE = "COMPLIANCE_WEBHOOK_URL"
#: For how long what is known of a repository's webhook is believed: asking costs a request each.
CHECK_IS_WORTH = timedelta(days=7)
#: Tries of a POST whose answers get lost, each after a look at what is there.
CREATE_ATTEMPTS = 3
_DESCRIPTION = "Compliance pipeline ("

State = Literal["active", "disabled", "missing", "not_allowed", "failed"]
Done = Literal["kept", "created", "repaired", "refused", "not_asked"]


class _StopAsking(Exception):
    """What Bitbucket said of one place holds for all of them."""


@dataclass(frozen=True)
class Outcome:
    """What came of one place that has, or should have, a webhook.

    Attributes:
        place: in words, such as "workspace acme" or "repository acme/app".
        repository_id: uuid with braces; empty for the workspace.
        state: as in ``integration.webhooks``.
        done: what was done now; ``not_asked``: what is known of it is believed still.
        problem: what is wrong and what to do, as a sentence; None where it is active.
    """

    place: str
    repository_id: str
    state: State
    done: Done
    problem: str | None = None


@dataclass(frozen=True)
class Registered:
    """What ``ensure`` found and did.

    Attributes:
        outcomes: the workspace's first, then those of repositories.
        told: further sentences for a person: doubles that went, or why something was left for the next time.
    """

    outcomes: tuple[Outcome, ...]
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Removed:
    """What ``remove`` did.

    Attributes:
        deleted: webhooks that are gone.
        left: a sentence for each that could not be deleted, and why.
    """

    deleted: int
    left: tuple[str, ...] = ()


def description_of(conn_id: str) -> str:
    """How our webhooks of a connection are called at Bitbucket."""
    return f"{_DESCRIPTION}{conn_id})"


def checked_url(url: str) -> str:
    """``url``, if Bitbucket may be told to deliver to it.

    Raises:
        ConfigurationError: it is no https address, holds a login, or is plain http beyond this machine.
    """
    if origin_of(url) is None or "#" in url or any(c.isspace() or not c.isprintable() for c in url):
        raise ConfigurationError(
            f"{URL_VARIABLE} is no address that Bitbucket can deliver to; write it as "
            "https://host/webhooks/bitbucket, without user or password"
        )
    if is_plain_http_abroad(url):
        raise ConfigurationError(
            f"{URL_VARIABLE} {url} is plain http: whoever is on the way could read what is delivered; "
            "put the receiver behind https and set that address"
        )
    return url


def ensure(
    client: BitbucketClient,
    store: Store,
    workspace: str,
    url: str,
    events: Sequence[str],
    repositories: Iterable[tuple[str, str]] = (),
    *,
    reactivate: bool = False,
) -> Registered:
    """See to it that each change of a workspace is delivered: create what is missing, repair what differs.

    Done twice it writes nothing the second time. One that somebody switched off at Bitbucket stays off.

    Args:
        client: of the connection whose webhooks they are.
        store: the Postgres with ``integration``.
        workspace: slug, or uuid with braces.
        url: where to deliver to.
        events: keys of what to announce.
        repositories: (uuid with braces, slug) of each, looked at only where the identity owns no workspace.
        reactivate: switch on again what was switched off, and ask again where it was refused before.

    Raises:
        ConfigurationError: the address can't be used, or there is no key for the secrets.
        AuthenticationError: Bitbucket does not take the connection.
        StoreUnavailable: the database fails.
    """
    checked_url(url)
    conn_id = client.settings.conn_id
    secret = WebhookSecrets(store).current(conn_id)
    wanted = _Wanted(url, tuple(dict.fromkeys(events)), secret, reactivate)
    with _only_one(store, conn_id, workspace):
        return _Keeper(client, store, workspace, wanted).ensure(repositories)


def remove(client: BitbucketClient, store: Store, workspaces: Iterable[str]) -> Removed:
    """Delete our webhooks of these workspaces and of their repositories; forget them whether that worked or not.

    The caller forgets the secrets (``WebhookSecrets.forget``), after which nothing they deliver is accepted.

    Raises:
        StoreUnavailable: the database fails.
    """
    deleted = 0
    left: list[str] = []
    for workspace in dict.fromkeys(workspaces):
        with _only_one(store, client.settings.conn_id, workspace):
            removed = _Remover(client, store, workspace).remove()
        deleted += removed.deleted
        left += removed.left
    return Removed(deleted, tuple(left))


@dataclass(frozen=True)
class _Wanted:
    """How each of our webhooks should be."""

    url: str
    events: tuple[str, ...]
    secret: Secret
    reactivate: bool

    def body(self, conn_id: str, *, active: bool) -> dict[str, object]:
        """All that can be set of a webhook."""
        return {
            "description": description_of(conn_id),
            "url": self.url,
            "active": active,
            "events": list(self.events),
            "secret": self.secret.value,
        }


@dataclass(frozen=True)
class _Place:
    """The workspace, or one repository of it."""

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
        """In words."""
        name = self.slug or self.repository_id
        return f"repository {self.workspace}/{name}" if self.repository_id else f"workspace {self.workspace}"


class _Hooks:
    """Bitbucket's webhooks of one workspace and its repositories, and what is recorded of them.

    Args:
        client: of the connection.
        store: the Postgres with ``integration``.
        workspace: slug or uuid.
    """

    def __init__(self, client: BitbucketClient, store: Store, workspace: str) -> None:
        self.client = client
        self.store = store
        self.workspace = workspace
        self.conn_id = client.settings.conn_id
        self.keys = {"conn_id": self.conn_id, "workspace": workspace}
        with store.transaction() as connection:
            recorded = run_sql(connection, "webhooks_recorded.sql", {**self.keys, "worth": CHECK_IS_WORTH}).fetchall()
            others = run_sql(connection, "webhooks_of_others.sql", {"conn_id": self.conn_id}).fetchall()
        self.recorded = {row["repository_id"]: row for row in recorded}
        self._others = {row["hook_id"] for row in others}

    def listed(self, place: _Place, urls: Iterable[str]) -> list[dict[str, Any]]:
        """Ours among the webhooks of a place, the one to keep first."""
        hooks = self.client.paginate(f"{place.owner}_webhooks", **place.path).values
        known = self.recorded.get(place.repository_id, {}).get("hook_id")
        addresses = set(urls)
        ours: list[tuple[int, dict[str, Any]]] = []
        for hook in hooks:
            rank = self._rank(hook, known, addresses)
            if rank is not None:
                ours.append((rank, hook))
        return [hook for _, hook in sorted(ours, key=lambda ranked: ranked[0])]

    def _rank(self, hook: Mapping[str, Any], known: str | None, urls: set[str]) -> int | None:
        """How surely a webhook is ours, 0 the most; None: it isn't."""
        uuid, description = hook.get("uuid"), str(hook.get("description") or "")
        if not isinstance(uuid, str) or not uuid or uuid in self._others:
            return None
        if uuid == known:
            return 0
        if description == description_of(self.conn_id):
            return 1 if hook.get("url") in urls else 3
        # Another connection may deliver to the same address.
        return 2 if hook.get("url") in urls and not description.startswith(_DESCRIPTION) else None

    def delete(self, place: _Place, hook_id: str) -> bool:
        """Delete one; False: it was gone already, which is fine too."""
        try:
            self.client.send(f"delete_{place.owner}_webhook", **place.path, uid=hook_id)
        except NotFound:
            log.info("webhook %s of %s was gone already", hook_id, place)
            return False
        return True

    def drop(self, place: _Place) -> None:
        """Forget what is recorded of a place."""
        with self.store.transaction() as connection:
            run_sql(connection, "webhook_drop.sql", {**self.keys, "repository_id": place.repository_id})
        self.recorded.pop(place.repository_id, None)

    def place_of(self, row: Mapping[str, Any]) -> _Place:
        """The place that a recorded row is about."""
        return _Place(self.workspace, row["repository_id"], row["slug"])


class _Keeper(_Hooks):
    """One ``ensure``."""

    def __init__(self, client: BitbucketClient, store: Store, workspace: str, wanted: _Wanted) -> None:
        super().__init__(client, store, workspace)
        self.wanted = wanted
        self.outcomes: list[Outcome] = []
        self.told: list[str] = []

    def ensure(self, repositories: Iterable[tuple[str, str]]) -> Registered:
        """The workspace's webhook, or those of repositories."""
        try:
            of_workspace = self._place(_Place(self.workspace))
            if of_workspace.state == "active":
                self._clear_repositories()
            elif of_workspace.state == "not_allowed":
                self._repositories(repositories)
        except RateLimited as error:
            self.told.append(f"requests ran out, the rest is left for the next time: {error}")
        except _StopAsking:
            pass
        return Registered(tuple(self.outcomes), tuple(self.told))

    # --- one place ----------------------------------------------------------------------------------------

    def _place(self, place: _Place) -> Outcome:
        """What becomes of one place; recorded.

        Raises:
            RateLimited: nothing more may be asked now.
            _StopAsking: what is missing is missing everywhere; recorded.
            AuthenticationError, ConfigurationError, StoreUnavailable: as ``ensure``.
        """
        try:
            return self._settle(place)
        except (RateLimited, AuthenticationError, ConfigurationError, StoreUnavailable):
            raise
        except ScopeMissing as error:
            self._refused(place, "not_allowed", str(error))
            raise _StopAsking from None
        except PermissionMissing as error:
            return self._refused(place, "not_allowed", _not_allowed(place, error))
        except NotFound as error:
            return self._refused(place, "missing" if place.repository_id else "failed", str(error))
        except BitbucketError as error:
            return self._refused(place, "failed", str(error))

    def _settle(self, place: _Place) -> Outcome:
        """Keep one webhook of ours as it should be; create it, repair it, delete the further ones."""
        ours = self.listed(place, [self.wanted.url])
        if not ours and self.recorded.get(place.repository_id, {}).get("hook_id"):
            # Should this stop before there is another: that one is not there any more.
            self._record(place, None, "missing", "it was deleted at Bitbucket; it is registered anew at the next check")
        for _ in range(CREATE_ATTEMPTS):
            if ours:
                return self._kept(place, ours[0], ours[1:])
            try:
                return self._created(place)
            except NeverReached:
                raise
            except (Unreachable, ServerError, UnreadableBody) as error:
                log.warning("whether the webhook of %s was created is not known (%s); looking", place, error)
                unsure = error
            time.sleep(self.client.settings.retry_wait)
            ours = self.listed(place, [self.wanted.url])
        if ours:
            return self._kept(place, ours[0], ours[1:])
        raise unsure

    def _created(self, place: _Place) -> Outcome:
        body = self.wanted.body(self.conn_id, active=True)
        hook = self.client.send(f"create_{place.owner}_webhook", body, **place.path).body
        if not isinstance(hook.get("uuid"), str):
            raise UnreadableBody(f"Bitbucket created the webhook of {place} without saying its uuid; run again")
        self._record(place, hook["uuid"], "active", None, anew=True)
        return self._came_to(place, "active", "created")

    def _kept(self, place: _Place, hook: Mapping[str, Any], doubles: Sequence[Mapping[str, Any]]) -> Outcome:
        """Repair ours where it differs, and delete what there is besides it."""
        was_active = hook.get("active") is not False
        active = was_active or self.wanted.reactivate
        differs = self._differs(place, hook) or active != was_active
        if differs:
            body = self.wanted.body(self.conn_id, active=active)
            self.client.send(f"update_{place.owner}_webhook", body, **place.path, uid=hook["uuid"])
        state: State = "active" if active else "disabled"
        problem = None if active else _disabled(place)
        self._record(place, hook["uuid"], state, problem, anew=active and not was_active)
        for double in doubles:
            if self._deleted(place, double["uuid"]):
                self.told.append(f"{place} had another webhook of ours; it was deleted")
        return self._came_to(place, state, "repaired" if differs else "kept", problem)

    def _differs(self, place: _Place, hook: Mapping[str, Any]) -> bool:
        """Whether anything of it is not as it should be. Which secret it has, Bitbucket never says: we noted it."""
        row = self.recorded.get(place.repository_id, {})
        given = row.get("secret_id") if row.get("hook_id") == hook["uuid"] else None
        return (
            hook.get("url") != self.wanted.url
            or set(hook.get("events") or ()) != set(self.wanted.events)
            or hook.get("description") != description_of(self.conn_id)
            or not hook.get("secret_set")
            or given != self.wanted.secret.secret_id
        )

    def _refused(self, place: _Place, state: State, problem: str) -> Outcome:
        """Note that Bitbucket did not let us. What is recorded of the webhook itself stays: it may deliver still."""
        row = self.recorded.get(place.repository_id, {})
        is_there = state != "missing" and bool(row.get("hook_id"))
        if is_there:
            seen = {name: row[name] for name in ("hook_id", "url", "events", "secret_id")}
            self._write(place, {**seen, "state": state, "problem": problem, "anew": False})
        else:
            self._record(place, None, state, problem)
        return self._came_to(place, state, "refused", problem)

    def _came_to(self, place: _Place, state: State, done: Done, problem: str | None = None) -> Outcome:
        outcome = Outcome(str(place), place.repository_id, state, done, problem)
        self.outcomes.append(outcome)
        return outcome

    def _record(
        self, place: _Place, hook_id: str | None, state: State, problem: str | None, *, anew: bool = False
    ) -> None:
        """Note a webhook that is as it should be, or that there is none; ``anew``: it delivers since now."""
        row = {
            "hook_id": hook_id,
            "url": self.wanted.url,
            "events": list(self.wanted.events),
            "secret_id": self.wanted.secret.secret_id if hook_id else None,
            "state": state,
            "problem": problem,
            "anew": anew,
        }
        self._write(place, row)

    def _write(self, place: _Place, values: Mapping[str, Any]) -> None:
        row = {"repository_id": place.repository_id, "slug": place.slug, **values}
        with self.store.transaction() as connection:
            run_sql(connection, "webhook_record.sql", {**self.keys, **row})
        self.recorded[place.repository_id] = {**row, "is_old": False}

    # --- repositories -------------------------------------------------------------------------------------

    def _repositories(self, repositories: Iterable[tuple[str, str]]) -> None:
        """One webhook for each repository; asked for only where something may have changed, oldest first."""
        places = {uuid: _Place(self.workspace, uuid, slug) for uuid, slug in repositories}
        if not places:
            self.told.append(
                f"workspace {self.workspace}: no repository is known yet that could have a webhook instead; "
                "run it once, then register again"
            )
            return
        self._forget_gone(set(places))
        # Dictionaries keep their order: what is recorded comes oldest first, what is not is older still.
        recorded = [places[uuid] for uuid in self.recorded if uuid in places]
        unrecorded = [place for uuid, place in places.items() if uuid not in self.recorded]
        for place in [*unrecorded, *recorded]:
            if self._is_due(place):
                self._place(place)
            else:
                row = self.recorded[place.repository_id]
                self._came_to(place, row["state"], "not_asked", row["problem"])

    def _is_due(self, place: _Place) -> bool:
        row = self.recorded.get(place.repository_id)
        if row is None or row["is_old"] or row["state"] in ("missing", "failed"):
            return True
        if self.wanted.reactivate and row["state"] != "active":
            return True
        changed = row["url"] != self.wanted.url or set(row["events"]) != set(self.wanted.events)
        return changed or (bool(row["hook_id"]) and row["secret_id"] != self.wanted.secret.secret_id)

    def _forget_gone(self, known: set[str]) -> None:
        """Webhooks of repositories that are no longer there, or no longer to be seen."""
        for row in [row for uuid, row in self.recorded.items() if uuid and uuid not in known]:
            self._clear(self.place_of(row), row)

    def _clear_repositories(self) -> None:
        """Delete what repositories got while the workspace could have none: every event would come twice."""
        rows = [row for uuid, row in self.recorded.items() if uuid]
        gone = [self._clear(self.place_of(row), row) for row in rows]
        if any(gone):
            self.told.append(
                f"workspace {self.workspace} has a webhook now: {sum(gone)} of its repositories were deleted"
            )

    def _clear(self, place: _Place, row: Mapping[str, Any]) -> bool:
        """Whether a webhook that isn't wanted any more is gone; where Bitbucket refuses, its row stays."""
        gone = row["hook_id"] is None or self._deleted(place, row["hook_id"])
        if gone:
            self.drop(place)
        return gone and row["hook_id"] is not None

    def _deleted(self, place: _Place, hook_id: str) -> bool:
        """Whether a webhook is gone; where Bitbucket refuses, that is told."""
        try:
            self.delete(place, hook_id)
        except (RateLimited, AuthenticationError, StoreUnavailable):
            raise
        except BitbucketError as error:
            self.told.append(f"webhook {hook_id} of {place} is left at Bitbucket: {error}")
            return False
        return True


class _Remover(_Hooks):
    """One ``remove`` in one workspace."""

    def __init__(self, client: BitbucketClient, store: Store, workspace: str) -> None:
        super().__init__(client, store, workspace)
        self.deleted = 0
        self.left: list[str] = []
        # Why nothing more is asked: the connection is refused, or Bitbucket does not answer.
        self.given_up: BitbucketError | None = None

    def remove(self) -> Removed:
        """Delete what is there, then forget it."""
        rows = list(self.recorded.values())
        of_workspace = next((row["hook_id"] for row in rows if not row["repository_id"]), None)
        for hook_id in self._of_workspace(of_workspace, {row["url"] for row in rows}):
            self._delete(_Place(self.workspace), hook_id)
        for row in rows:
            if row["repository_id"] and row["hook_id"]:
                self._delete(self.place_of(row), row["hook_id"])
        with self.store.transaction() as connection:
            run_sql(connection, "webhooks_drop.sql", self.keys)
        return Removed(self.deleted, tuple(self.left))

    def _of_workspace(self, recorded: str | None, urls: set[str]) -> list[str]:
        """The workspace's webhooks of ours: the recorded one, and any other that the listing shows."""
        try:
            return [hook["uuid"] for hook in self.listed(_Place(self.workspace), urls)]
        except (PermissionMissing, ScopeMissing, NotFound) as error:
            # Where the identity may not look, it never registered one; unless it was an owner then.
            log.info("the webhooks of workspace %s can't be listed: %s", self.workspace, error)
        except StoreUnavailable:
            raise
        except BitbucketError as error:
            self._give_up(error)
            log.warning("the webhooks of workspace %s can't be listed: %s", self.workspace, error)
        return [recorded] if recorded else []

    def _delete(self, place: _Place, hook_id: str) -> None:
        if self.given_up is None:
            try:
                self.deleted += self.delete(place, hook_id)
                return
            except StoreUnavailable:
                raise
            except BitbucketError as error:
                reason = error
                self._give_up(error)
        else:
            reason = self.given_up
        where = f"{place.owner.capitalize()} settings, Webhooks"
        self.left.append(f"the webhook of {place} is left at Bitbucket: {reason}; delete it there ({where})")

    def _give_up(self, error: BitbucketError) -> None:
        """Where asking again would fail in the same way, nothing more is asked."""
        if isinstance(error, AuthenticationError | ConfigurationError | RateLimited | Unreachable):
            self.given_up = error


def _disabled(place: _Place) -> str:
    return (
        f"somebody switched the webhook of {place} off at Bitbucket; switch it on with Register or repair in the "
        "console, or `make webhooks REACTIVATE=1`"
    )


def _not_allowed(place: _Place, error: BitbucketError) -> str:
    what = "is no admin of this repository" if place.repository_id else "owns no workspace"
    return f"the identity {what}: {error}"


@contextmanager
def _only_one(store: Store, conn_id: str, workspace: str) -> Iterator[None]:
    """Wait until no other process looks after these webhooks; two at once would create them twice."""
    connection = store.connect()
    try:
        with store.errors():
            connection.autocommit = True
            run_sql(connection, "webhooks_lock.sql", {"conn_id": conn_id, "workspace": workspace})
        yield
    finally:
        connection.close()
