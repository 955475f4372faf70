"""Registers webhooks at Bitbucket and keeps them as they should be.

A workspace gets one webhook. Where the identity owns no workspace, its repositories get one each. What is there is
recorded right after each of Bitbucket's answers, so that an interruption loses track of one at most; the next check
finds that one by its address. Source: Bitbucket's official OpenAPI document, paths with ``/hooks``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.database import Database
from bitbucket_cloud.errors import (
    AuthenticationError,
    BitbucketError,
    ConfigurationError,
    DatabaseUnavailable,
    NeverReached,
    NotFound,
    PermissionMissing,
    RateLimited,
    ScopeMissing,
    ServerError,
    Unreachable,
    UnreadableBody,
)
from bitbucket_cloud.urls import origin_of, sends_in_plain
from bitbucket_cloud.webhooks.records import Place, State, Webhooks, only_one
from bitbucket_cloud.webhooks.secrets.webhook_secrets import Secret, WebhookSecrets
from bitbucket_cloud.webhooks.signature import secret_of_webhook

log = logging.getLogger(__name__)

#: Tries of a POST whose answers get lost, each after a look at what is there.
CREATE_ATTEMPTS = 3

Done = Literal["kept", "created", "repaired", "refused", "not_asked"]


class _StopAsking(Exception):
    """What Bitbucket said of one place holds for all of them."""


@dataclass(frozen=True)
class Outcome:
    """The result for one place that has, or should have, a webhook.

    Attributes:
        place: in words, such as "workspace acme" or "repository acme/app".
        repository_id: uuid with braces; empty for the workspace.
        state: as in the table ``webhooks``.
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
        notes: further sentences for a person: duplicates that were deleted, or why something was left for later.
    """

    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()


def checked_url(url: str, setting: str) -> str:
    """``url``, if Bitbucket may be told to deliver to it; messages call it ``setting``.

    Raises:
        ConfigurationError: it is no https address, holds a login, or is plain http beyond this machine.
    """
    if origin_of(url) is None or "#" in url or any(c.isspace() or not c.isprintable() for c in url):
        raise ConfigurationError(
            f"{setting} is no address that Bitbucket can deliver to; write it as "
            "https://host/webhooks/bitbucket, without user or password"
        )
    if sends_in_plain(url):
        raise ConfigurationError(
            f"{setting} {url} is plain http: anybody on the network path could read what is delivered; "
            "put the receiver behind https and set that address"
        )
    return url


def ensure(
    client: BitbucketClient,
    database: Database,
    workspace: str,
    url: str,
    events: Sequence[str],
    repositories: Iterable[tuple[str, str]] = (),
    *,
    reactivate: bool = False,
) -> Registered:
    """Make sure that each change of a workspace is delivered: create what is missing, repair what differs.

    Done twice it writes nothing the second time. One that somebody switched off at Bitbucket stays off.

    Args:
        client: of the connection whose webhooks they are.
        database: where webhooks and their secrets are recorded.
        workspace: slug, or uuid with braces.
        url: where to deliver to.
        events: keys of what to announce.
        repositories: (uuid with braces, slug) of each, looked at only where the identity owns no workspace.
        reactivate: switch on again what was switched off, and ask again where it was refused before.

    Raises:
        ConfigurationError: the address can't be used, or there is no key for the secrets.
        AuthenticationError: Bitbucket does not take the connection.
        DatabaseUnavailable: the database fails.
    """
    checked_url(url, database.configuration.webhook_url_setting)
    conn_id = client.settings.conn_id
    secret = WebhookSecrets(database).current(conn_id)
    wanted = _Wanted(url, tuple(dict.fromkeys(events)), secret, reactivate, database.configuration.to_reactivate)
    with only_one(database, conn_id, workspace):
        return _Registration(Webhooks(client, database, workspace), wanted).ensure(repositories)


@dataclass(frozen=True)
class _Wanted:
    """How each of our webhooks should be, and what to advise where one was switched off."""

    url: str
    events: tuple[str, ...]
    secret: Secret
    reactivate: bool
    to_reactivate: str

    def body(self, place: Place, description: str, *, active: bool) -> dict[str, object]:
        """All that can be set of a webhook."""
        return {
            "description": description,
            "url": self.url,
            "active": active,
            "events": list(self.events),
            "secret": secret_of_webhook(self.secret.value, place.workspace, place.repository_id),
        }


class _Registration:
    """One call of ``ensure``."""

    def __init__(self, webhooks: Webhooks, wanted: _Wanted) -> None:
        self.webhooks = webhooks
        self.client = webhooks.client
        self.workspace = webhooks.workspace
        self.wanted = wanted
        self.outcomes: list[Outcome] = []
        self.notes: list[str] = []

    def ensure(self, repositories: Iterable[tuple[str, str]]) -> Registered:
        """The workspace's webhook, or those of repositories."""
        try:
            of_workspace = self._ensure_one(Place(self.workspace))
            if of_workspace.state == "active":
                self._clear_repositories()
            elif of_workspace.state == "not_allowed":
                self._ensure_repositories(repositories)
        except RateLimited as error:
            self.notes.append(f"requests ran out, the rest is left for the next time: {error}")
        except _StopAsking:
            pass
        return Registered(tuple(self.outcomes), tuple(self.notes))

    # --- one place ----------------------------------------------------------------------------------------

    def _ensure_one(self, place: Place) -> Outcome:
        """Create or repair the webhook of one place, and record the result.

        Raises:
            RateLimited: nothing more may be asked now.
            _StopAsking: what is missing is missing everywhere; recorded.
            AuthenticationError, ConfigurationError, DatabaseUnavailable: as ``ensure``.
        """
        try:
            return self._create_or_repair(place)
        except (RateLimited, AuthenticationError, ConfigurationError, DatabaseUnavailable):
            raise
        except ScopeMissing as error:
            self._refused(place, "not_allowed", str(error))
            raise _StopAsking from None
        except PermissionMissing as error:
            lacking = "is no admin of this repository" if place.repository_id else "owns no workspace"
            return self._refused(place, "not_allowed", f"the identity {lacking}: {error}")
        except NotFound as error:
            return self._refused(place, "missing" if place.repository_id else "failed", str(error))
        except BitbucketError as error:
            return self._refused(place, "failed", str(error))

    def _create_or_repair(self, place: Place) -> Outcome:
        """Keep one webhook of ours as it should be; create it, repair it, delete the further ones."""
        ours = self.webhooks.find(place, [self.wanted.url])
        if not ours and self.webhooks.row(place).get("hook_id"):
            # Should this stop before there is another: that one is not there any more.
            self._record(place, None, "missing", "it was deleted at Bitbucket; it is registered anew at the next check")
        for _ in range(CREATE_ATTEMPTS):
            if ours:
                return self._repaired(place, ours[0], ours[1:])
            try:
                return self._created(place)
            except NeverReached:
                raise
            except (Unreachable, ServerError, UnreadableBody) as error:
                log.warning("whether the webhook of %s was created is not known (%s); looking", place, error)
                unsure = error
            time.sleep(self.client.settings.retry_wait)
            ours = self.webhooks.find(place, [self.wanted.url])
        if ours:
            return self._repaired(place, ours[0], ours[1:])
        raise unsure

    def _created(self, place: Place) -> Outcome:
        body = self.wanted.body(place, self.webhooks.description, active=True)
        hook = self.client.send(f"create_{place.owner}_webhook", body, **place.path).body
        if not isinstance(hook.get("uuid"), str):
            raise UnreadableBody(f"Bitbucket created the webhook of {place} without saying its uuid; run again")
        self._record(place, hook["uuid"], "active", None, delivers_since_now=True)
        return self._outcome(place, "active", "created")

    def _repaired(self, place: Place, hook: Mapping[str, Any], duplicates: Sequence[Mapping[str, Any]]) -> Outcome:
        """Repair ours where it differs, and delete what there is besides it."""
        was_active = hook.get("active") is not False
        active = was_active or self.wanted.reactivate
        differs = self._differs(place, hook) or active != was_active
        if differs:
            body = self.wanted.body(place, self.webhooks.description, active=active)
            self.client.send(f"update_{place.owner}_webhook", body, **place.path, uid=hook["uuid"])
        state: State = "active" if active else "disabled"
        problem = None
        if not active:
            problem = f"somebody switched the webhook of {place} off at Bitbucket; {self.wanted.to_reactivate}"
        self._record(place, hook["uuid"], state, problem, delivers_since_now=active and not was_active)
        for duplicate in duplicates:
            if self._delete(place, duplicate["uuid"]):
                self.notes.append(f"{place} had another webhook of ours; it was deleted")
        return self._outcome(place, state, "repaired" if differs else "kept", problem)

    def _differs(self, place: Place, hook: Mapping[str, Any]) -> bool:
        """Whether anything of it is not as it should be. Bitbucket never says which secret it has: we recorded it."""
        row = self.webhooks.row(place)
        given = row.get("secret_id") if row.get("hook_id") == hook["uuid"] else None
        return (
            hook.get("url") != self.wanted.url
            or set(hook.get("events") or ()) != set(self.wanted.events)
            or hook.get("description") != self.webhooks.description
            or not hook.get("secret_set")
            or given != self.wanted.secret.secret_id
        )

    def _refused(self, place: Place, state: State, problem: str) -> Outcome:
        """Record that Bitbucket refused. What is known of the webhook itself stays: it may still deliver."""
        row = self.webhooks.row(place)
        if state != "missing" and row.get("hook_id"):
            known = {name: row[name] for name in ("hook_id", "url", "events", "secret_id")}
            self.webhooks.record(place, {**known, "state": state, "problem": problem, "anew": False})
        else:
            self._record(place, None, state, problem)
        return self._outcome(place, state, "refused", problem)

    def _outcome(self, place: Place, state: State, done: Done, problem: str | None = None) -> Outcome:
        outcome = Outcome(str(place), place.repository_id, state, done, problem)
        self.outcomes.append(outcome)
        return outcome

    def _record(
        self, place: Place, hook_id: str | None, state: State, problem: str | None, *, delivers_since_now: bool = False
    ) -> None:
        """Record a webhook that is as it should be, or that there is none."""
        row = {
            "hook_id": hook_id,
            "url": self.wanted.url,
            "events": list(self.wanted.events),
            "secret_id": self.wanted.secret.secret_id if hook_id else None,
            "state": state,
            "problem": problem,
            "anew": delivers_since_now,
        }
        self.webhooks.record(place, row)

    # --- repositories -------------------------------------------------------------------------------------

    def _ensure_repositories(self, repositories: Iterable[tuple[str, str]]) -> None:
        """One webhook for each repository; asked for only where something may have changed, oldest first."""
        places = {uuid: Place(self.workspace, uuid, slug) for uuid, slug in repositories}
        if not places:
            self.notes.append(
                f"workspace {self.workspace}: no repository is known yet that could have a webhook instead; "
                "run it once, then register again"
            )
            return
        recorded = self.webhooks.recorded
        # Webhooks of repositories that are no longer there, or no longer to be seen.
        for row in [row for uuid, row in recorded.items() if uuid and uuid not in places]:
            self._clear(row)
        # Dictionaries keep their order: what is recorded comes oldest first, what is not is older still.
        unrecorded = [place for uuid, place in places.items() if uuid not in recorded]
        for place in [*unrecorded, *(places[uuid] for uuid in list(recorded) if uuid in places)]:
            if self._is_due(place):
                self._ensure_one(place)
            else:
                row = self.webhooks.row(place)
                self._outcome(place, row["state"], "not_asked", row["problem"])

    def _is_due(self, place: Place) -> bool:
        row = self.webhooks.row(place)
        if not row or row["is_old"] or row["state"] in ("missing", "failed"):
            return True
        if self.wanted.reactivate and row["state"] != "active":
            return True
        changed = row["url"] != self.wanted.url or set(row["events"]) != set(self.wanted.events)
        return changed or (bool(row["hook_id"]) and row["secret_id"] != self.wanted.secret.secret_id)

    def _clear_repositories(self) -> None:
        """Delete what repositories got while the workspace could have none: every event would come twice."""
        gone = [self._clear(row) for uuid, row in list(self.webhooks.recorded.items()) if uuid]
        if any(gone):
            self.notes.append(
                f"workspace {self.workspace} has a webhook now: {sum(gone)} of its repositories were deleted"
            )

    def _clear(self, row: Mapping[str, Any]) -> bool:
        """Whether a webhook that isn't wanted any more was deleted; where Bitbucket refuses, its row stays."""
        place = self.webhooks.place_of(row)
        is_gone = row["hook_id"] is None or self._delete(place, row["hook_id"])
        if is_gone:
            self.webhooks.forget(place)
        return is_gone and row["hook_id"] is not None

    def _delete(self, place: Place, hook_id: str) -> bool:
        """Whether a webhook is gone; where Bitbucket refuses, a note says so."""
        try:
            self.webhooks.delete(place, hook_id)
        except (RateLimited, AuthenticationError, DatabaseUnavailable):
            raise
        except BitbucketError as error:
            self.notes.append(f"webhook {hook_id} of {place} is left at Bitbucket: {error}")
            return False
        return True
