"""The refresh of a grant's tokens, by one process at a time.

A refresh token works once, and whoever sends a used one loses the grant. So a refresh happens under the lock of the
connection's row: re-read, use what somebody else already got, else ask Bitbucket, and commit the new refresh token
before the new access token is used. Everything that can fail is done before Bitbucket is asked: the keys decrypted the
row, the lock is held, and the very statement that stores the answer was run once and taken back. Then there are only
encrypt, UPDATE and COMMIT between Bitbucket's answer and its safety; they run in a thread of their own, which signals
(Airflow's SIGTERM and time-outs, Ctrl-C) don't interrupt, and a database that goes away meanwhile is tried again for
``RESCUE_SECONDS``.

One window is left. A process killed outright (SIGKILL, power) between Bitbucket's answer and the COMMIT takes the new
refresh token with it: Bitbucket has used up the old one, and the grant is lost. So it is where an answer gets lost on
the network. Nothing can be undone then, but it is said: the next refresh finds a ``refresh_started`` without an end,
marks the connection ``needs_reconnect`` and names the interrupted refresh as the likely cause.

Once Bitbucket has refused a refresh token no process asks again until a person has connected the connection anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from bitbucket_cloud.auth.encryption import Holder
from bitbucket_cloud.auth.token_endpoint import GrantRefused, TokenAnswer
from bitbucket_cloud.auth.vault.vault import Grant, TokenVault
from bitbucket_cloud.database import Connection
from bitbucket_cloud.errors import AuthenticationError, DatabaseUnavailable, NeverReached, RateLimited

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds for which a database that went away after Bitbucket's answer is tried again.
RESCUE_SECONDS = 60.0
#: Seconds to wait for the refresh of another process, beyond the time that its request may take.
LOCK_MARGIN = 20.0

_SQL = Path(__file__).parent


class RefreshUnderWay(DatabaseUnavailable):
    """Another process has held the row for longer than its request may take: try again."""

    retryable = True


def usable_grant(
    vault: TokenVault, holder: Holder, ask: Callable[[str], TokenAnswer], refused: str | None, patience: float
) -> Grant:
    """Tokens that can be used now: those in the vault, or refreshed ones.

    Args:
        ask: exchanges a refresh token at Bitbucket (``TokenEndpoint.refresh``).
        refused: an access token that Bitbucket no longer takes.
        patience: seconds that ``ask`` may take, for the wait until another process is done.

    Raises:
        NeedsReconnect: never connected, or the grant is lost.
        ConfigurationError: no key decrypts the row.
        AuthenticationError: Bitbucket refuses the key or secret of the consumer; the grant stays.
        DatabaseUnavailable: the database fails; RefreshUnderWay where a wait may help.
        BitbucketError: as ``ask`` raises; the grant stays.
    """
    grant = vault.read(holder)
    if grant.is_usable(refused):
        return grant
    refreshed = _refreshed(vault, holder, ask, refused, patience)
    # Refused and marked so. One look back: a person may have been connecting it at this very moment.
    return refreshed or vault.read(holder)


def _refreshed(
    vault: TokenVault, holder: Holder, ask: Callable[[str], TokenAnswer], refused: str | None, patience: float
) -> Grant | None:
    """The grant after a refresh, ours or somebody else's; None where Bitbucket refused it for good."""
    database = vault.database
    connection = database.connect()
    try:
        with database.errors():
            _lock(vault, connection, holder, patience + LOCK_MARGIN)
            grant = vault.read(holder, connection)
            if grant.is_usable(refused):
                return grant
            trial = TokenAnswer(grant.access_token, grant.refresh_token, time.monotonic(), 60.0, None)
            with connection.transaction(force_rollback=True):
                vault.replace(connection, holder, grant, trial)
        refresh = _Refresh(vault, holder, grant, connection)
        # On a connection of its own: it has to be there also if this process isn't any more.
        with database.vault_transaction() as other:
            started = vault.note(other, holder.conn_id, "refresh_started")
        return uninterrupted(lambda: refresh.run(ask, started))
    finally:
        connection.close()


def _lock(vault: TokenVault, connection: Connection, holder: Holder, seconds: float) -> None:
    """Begin the transaction that holds the row."""
    try:
        vault.database.enter_vault(connection, seconds)
        vault.database.run(connection, _SQL / "lock.sql", conn_id=holder.conn_id)
    except psycopg.errors.LockNotAvailable:
        raise RefreshUnderWay(
            f"another process has been refreshing the token of Airflow connection {holder.conn_id} for more than "
            f"{seconds:.0f} seconds; run again"
        ) from None


@dataclass(frozen=True)
class _Refresh:
    """One refresh under way: whose, which grant, and the connection that holds its row."""

    vault: TokenVault
    holder: Holder
    grant: Grant
    connection: Connection

    def run(self, ask: Callable[[str], TokenAnswer], started: int) -> Grant | None:
        """Ask Bitbucket and keep its answer; ``started`` is the event that it began. No signal interrupts it."""
        try:
            answer = ask(self.grant.refresh_token)
        except GrantRefused as refusal:
            self._give_up(refusal, started)
            return None
        except (AuthenticationError, RateLimited, NeverReached) as failure:
            with self.vault.database.errors():
                is_refusal = isinstance(failure, AuthenticationError)
                event = "refused" if is_refusal else "failed"
                self.vault.note(self.connection, self.holder.conn_id, event, str(failure))
                self.connection.commit()
            raise
        # Bitbucket gives a new refresh token each time; where it ever gives none, the old one stays good.
        kept = replace(answer, refresh_token=answer.refresh_token or self.grant.refresh_token)
        self._keep(kept)
        return Grant(kept.access_token, kept.refresh_token or "", kept.remaining, kept.lifetime)

    def _keep(self, answer: TokenAnswer) -> None:
        """Commit the answer, on the connection that holds the lock or, should that be gone, on others."""
        try:
            self.vault.replace(self.connection, self.holder, self.grant, answer)
            self.connection.commit()
        except psycopg.Error:
            self._rescue(answer)

    def _rescue(self, answer: TokenAnswer) -> None:
        """Keep trying to store tokens that Bitbucket won't give a second time.

        Raises:
            DatabaseUnavailable: the database stayed away.
        """
        log.warning("the database went away while the token of %s was refreshed; trying again", self.holder.conn_id)
        deadline = time.monotonic() + RESCUE_SECONDS
        while True:
            try:
                with self.vault.database.vault_transaction() as connection:
                    # Nothing to change: the first commit did get through, or a person has connected it anew.
                    self.vault.replace(connection, self.holder, self.grant, answer)
                return
            except DatabaseUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _give_up(self, refusal: GrantRefused, started: int) -> None:
        """Mark the connection as lost, unless it is connected anew already."""
        database, conn_id = self.vault.database, self.holder.conn_id
        with database.errors():
            self.vault.note(self.connection, conn_id, "refused", str(refusal))
            found = database.run(self.connection, _SQL / "unfinished.sql", conn_id=conn_id, started=started).fetchone()
            reason = "Bitbucket refused its refresh token" + _likely_cause(found)
            self.vault.mark_lost(self.connection, self.holder, self.grant, reason)
            self.connection.commit()


def uninterrupted(call: Callable[[], T]) -> T:
    """What ``call`` returns or raises. An exception out of a signal handler waits until it is through.

    Python runs signal handlers in the main thread alone, so the call is made in another.
    """
    with ThreadPoolExecutor(1, "token-refresh") as worker:
        return worker.submit(call).result()


def _likely_cause(unfinished: Mapping[str, Any] | None) -> str:
    if unfinished is None:
        return ", which was revoked, used elsewhere, or not used for three months"
    began: datetime = unfinished["at"]
    return (
        f"; the likely cause is an interrupted refresh: one that began at {began.astimezone(UTC):%Y-%m-%d %H:%M:%S} "
        "UTC never got to its end"
    )
