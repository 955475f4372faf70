"""The token vault: the OAuth grants of ``authorization_code`` connections, shared by every process that uses one.

A refresh token works once, and whoever sends a used one loses the grant. So a refresh happens under the lock of the
connection's row: re-read, use what somebody else already got, else ask Bitbucket, and commit the new refresh token
before the new access token is used. Everything that can fail is done before Bitbucket is asked: the keys opened the
row, the lock is held, and the very statement that stores the answer was run once and taken back. Then there are only
encrypt, UPDATE and COMMIT between Bitbucket's answer and its safety; they run in a thread of their own, which signals
(Airflow's SIGTERM and time-outs, Ctrl-C) don't break into, and a database that goes away meanwhile is tried again for
``RESCUE_SECONDS``.

One window is left. A process killed outright (SIGKILL, power) between Bitbucket's answer and the COMMIT takes the new
refresh token with it: Bitbucket has used up the old one, and the grant is lost. So it is where an answer gets lost on
the network. Nothing can be undone then, but it is said: the next refresh finds a ``refresh_started`` without an end,
marks the connection ``needs_reconnect`` and names the interrupted refresh as the likely cause.

Once Bitbucket has refused a refresh token no process asks again until a person has connected the connection anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg

from bitbucket_cloud.auth.encryption import WAY_OUT, Holder, KeyRing
from bitbucket_cloud.auth.token_endpoint import GrantRefused, TokenAnswer
from bitbucket_cloud.database import Connection, Store, run_sql
from bitbucket_cloud.errors import (
    AuthenticationError,
    NeedsReconnect,
    NeverReached,
    RateLimited,
    StoreUnavailable,
    UnreadableBody,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds for which a database that went away after Bitbucket's answer is tried again.
RESCUE_SECONDS = 60.0
#: Seconds to wait for the refresh of another process, beyond the time that its request may take.
LOCK_MARGIN = 20.0


class RefreshUnderWay(StoreUnavailable):
    """Another process has held the row for longer than its request may take: try again."""

    retryable = True


@dataclass(frozen=True)
class Grant:
    """Tokens of a connection, decrypted.

    Attributes:
        access_token: for ``Authorization: Bearer``.
        refresh_token: for the next refresh, single use.
        remaining: seconds that the access token lived on when this was read, by the database's clock.
        lifetime: seconds it was given in all.
        sealed: the refresh token as it stands in the row: which grant a change is meant for.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    remaining: float
    lifetime: float
    sealed: str = field(repr=False)

    def lead(self, wanted: float) -> float:
        """Seconds before its expiry at which to renew it: a short-lived token keeps three quarters of its life."""
        return min(wanted, self.lifetime / 4)

    def is_usable(self, lead: float, refused: str | None) -> bool:
        """Whether the access token is worth sending."""
        return self.access_token != refused and self.remaining > self.lead(lead)


@dataclass(frozen=True)
class _Refresh:
    """One refresh under way: who for, the locked row, and the event that says it began."""

    holder: Holder
    grant: Grant
    connection: Connection
    started: int


class TokenVault:
    """The table ``integration.token_vault``, read and written as the role ``compliance_vault``.

    Args:
        store: the Postgres it is in.
        keys: opens and seals the tokens; those of ``COMPLIANCE_VAULT_KEY`` unless given.

    Raises:
        ConfigurationError: there is no key, or a bad one.
    """

    def __init__(self, store: Store, keys: KeyRing | None = None) -> None:
        self._store = store
        self._keys = keys or KeyRing.from_environment()

    # --- what a client needs ---------------------------------------------------------------------------

    def grant(
        self,
        holder: Holder,
        ask: Callable[[str], TokenAnswer],
        *,
        lead: float,
        refused: str | None = None,
        patience: float = 70.0,
    ) -> Grant:
        """Tokens that can be used now: those in the vault, or refreshed ones.

        Args:
            holder: the connection.
            ask: exchanges a refresh token at Bitbucket (``TokenEndpoint.refresh``).
            lead: seconds that the access token must still live.
            refused: an access token that Bitbucket no longer takes.
            patience: seconds that ``ask`` may take, for the wait until another process is done.

        Raises:
            NeedsReconnect: never connected, or the grant is lost.
            ConfigurationError: no key opens the row.
            AuthenticationError: Bitbucket refuses the key or secret of the consumer; the grant stays.
            StoreUnavailable: the database fails; RefreshUnderWay where a wait may help.
            BitbucketError: as ``ask`` raises; the grant stays.
        """
        with self._transaction() as connection:
            grant = self._open(run_sql(connection, "vault_read.sql", {"conn_id": holder.conn_id}).fetchone(), holder)
        if grant.is_usable(lead, refused):
            return grant
        refreshed = self._refreshed(holder, ask, lead, refused, patience)
        if refreshed is not None:
            return refreshed
        # Refused and marked so. One look back: a person may have been connecting it at this very moment.
        with self._transaction() as connection:
            return self._open(run_sql(connection, "vault_read.sql", {"conn_id": holder.conn_id}).fetchone(), holder)

    # --- what people do ---------------------------------------------------------------------------------

    def connect(self, holder: Holder, obtain: Callable[[], TokenAnswer], connected_by: str) -> TokenAnswer:
        """Keep the tokens of a new consent; what was there of this connection is replaced.

        Args:
            holder: the connection.
            obtain: exchanges the code at Bitbucket; called once it is sure that the answer can be kept.
            connected_by: who gave the consent.

        Raises:
            StoreUnavailable: the database fails.
            UnreadableBody: Bitbucket gave no refresh token.
            BitbucketError: as ``obtain`` raises.
        """
        rehearsal = TokenAnswer("rehearsal", "rehearsal", time.monotonic(), 60.0, None)
        with self._transaction() as connection, connection.transaction(force_rollback=True):
            run_sql(connection, "vault_connect.sql", self._first_values(holder, rehearsal, connected_by))
        answer = obtain()
        if answer.refresh_token is None:
            raise UnreadableBody(
                f"Bitbucket gave Airflow connection {holder.conn_id} no refresh token; check that its consumer is an "
                "OAuth consumer with a callback address"
            )
        with self._transaction() as connection:
            run_sql(connection, "vault_connect.sql", self._first_values(holder, answer, connected_by))
        return answer

    def disconnect(self, conn_id: str, by: str) -> bool:
        """Forget a connection's tokens; whether there were any. Bitbucket keeps the grant until it is removed there."""
        with self._transaction() as connection:
            done = run_sql(connection, "vault_disconnect.sql", {"conn_id": conn_id, "detail": f"by {by}"})
            return done.fetchone() is not None

    def rotate(self) -> int:
        """Encrypt all rows with the first key, and the webhook secrets with them; how many rows. All or none.

        Raises:
            ConfigurationError: a row or secret that no key opens.
            StoreUnavailable: the database fails.
        """
        with self._transaction() as connection:
            rows = run_sql(connection, "vault_lock_all.sql").fetchall()
            for row in rows:
                sealed = {name: self._keys.reseal(row["conn_id"], row[name]) for name in _TOKENS}
                run_sql(connection, "vault_reseal.sql", {"conn_id": row["conn_id"], **sealed})
            for secret in run_sql(connection, "webhook_secrets_lock_all.sql").fetchall():
                kept = self._keys.reseal(secret["conn_id"], secret["sealed"])
                run_sql(connection, "webhook_secret_reseal.sql", {"secret_id": secret["secret_id"], "sealed": kept})
        return len(rows)

    def connections_of(self, consumer: str) -> list[str]:
        """Ids of the connections that were connected with this OAuth key."""
        with self._transaction() as connection:
            rows = run_sql(connection, "vault_of_consumer.sql", {"consumer": consumer}).fetchall()
        return [row["conn_id"] for row in rows]

    # --- a refresh ----------------------------------------------------------------------------------------

    def _refreshed(
        self, holder: Holder, ask: Callable[[str], TokenAnswer], lead: float, refused: str | None, patience: float
    ) -> Grant | None:
        """The grant after a refresh, ours or somebody else's; None where Bitbucket refused it for good."""
        connection = self._store.connect()
        try:
            with self._store.errors():
                grant = self._lock(connection, holder, patience + LOCK_MARGIN)
                if grant.is_usable(lead, refused):
                    return grant
                with connection.transaction(force_rollback=True):
                    self._write(connection, holder, grant, self._rehearsal(grant))
            # On a connection of its own: it has to be there also if this process isn't any more.
            with self._transaction() as other:
                started = _note(other, holder.conn_id, "refresh_started", None)
            work = _Refresh(holder, grant, connection, started)
            return uninterrupted(lambda: self._exchange(work, ask))
        finally:
            connection.close()

    def _lock(self, connection: Connection, holder: Holder, seconds: float) -> Grant:
        """Begin the transaction that holds the row, and open what is in it."""
        try:
            _enter(connection, seconds)
            row = run_sql(connection, "vault_lock.sql", {"conn_id": holder.conn_id}).fetchone()
        except psycopg.errors.LockNotAvailable:
            raise RefreshUnderWay(
                f"another process has been refreshing the token of Airflow connection {holder.conn_id} for more than "
                f"{seconds:.0f} seconds; run again"
            ) from None
        return self._open(row, holder)

    def _exchange(self, work: _Refresh, ask: Callable[[str], TokenAnswer]) -> Grant | None:
        """Ask Bitbucket and make its answer safe. Runs where no signal interrupts it."""
        try:
            answer = ask(work.grant.refresh_token)
        except GrantRefused as refusal:
            self._give_up(work, refusal)
            return None
        except AuthenticationError as refusal:
            self._end(work, "refused", str(refusal))
            raise
        except (RateLimited, NeverReached) as failure:
            self._end(work, "failed", str(failure))
            raise
        return self._keep(work, answer)

    def _keep(self, work: _Refresh, answer: TokenAnswer) -> Grant:
        """Commit the answer, on the connection that holds the lock or, should that be gone, on others."""
        # Bitbucket gives a new refresh token each time; where it ever gives none, the old one stays good.
        kept = TokenAnswer(
            answer.access_token,
            answer.refresh_token or work.grant.refresh_token,
            answer.asked_at,
            answer.lifetime,
            answer.scopes,
        )
        try:
            self._write(work.connection, work.holder, work.grant, kept)
            work.connection.commit()
        except psycopg.Error:
            self._rescue(work, kept)
        return Grant(kept.access_token, kept.refresh_token or "", kept.remaining, kept.lifetime, "")

    def _rescue(self, work: _Refresh, answer: TokenAnswer) -> None:
        """Keep trying to store tokens that Bitbucket won't give a second time.

        Raises:
            StoreUnavailable: the database stayed away.
        """
        log.warning("the database went away while the token of %s was refreshed; trying again", work.holder.conn_id)
        deadline = time.monotonic() + RESCUE_SECONDS
        while True:
            try:
                with self._transaction() as connection:
                    # Nothing to change: the first commit did get through, or a person has connected it anew.
                    self._write(connection, work.holder, work.grant, answer)
                return
            except StoreUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _give_up(self, work: _Refresh, refusal: GrantRefused) -> None:
        """Mark the connection as lost, unless it is connected anew already."""
        conn_id = work.holder.conn_id
        with self._store.errors():
            _note(work.connection, conn_id, "refused", str(refusal))
            values = {"conn_id": conn_id, "started": work.started}
            unfinished = run_sql(work.connection, "vault_unfinished.sql", values).fetchone()
            reason = "Bitbucket refused its refresh token" + _likely_cause(unfinished)
            values = {"conn_id": conn_id, "sealed": work.grant.sealed, "reason": reason}
            run_sql(work.connection, "vault_needs_reconnect.sql", values)
            work.connection.commit()

    def _end(self, work: _Refresh, event: str, detail: str) -> None:
        """Note how a refresh ended that changes nothing."""
        with self._store.errors():
            _note(work.connection, work.holder.conn_id, event, detail)
            work.connection.commit()

    # --- rows ---------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with vault_transaction(self._store) as connection:
            yield connection

    def _write(self, connection: Connection, holder: Holder, before: Grant, answer: TokenAnswer) -> None:
        """Put refreshed tokens in the place of ``before``."""
        values = {**self._values(holder, answer), "sealed": before.sealed}
        run_sql(connection, "vault_refresh.sql", values)

    def _values(self, holder: Holder, answer: TokenAnswer) -> dict[str, Any]:
        return {
            "conn_id": holder.conn_id,
            "access_token": self._keys.seal(holder, "access", answer.access_token),
            "refresh_token": self._keys.seal(holder, "refresh", answer.refresh_token or ""),
            "remaining": answer.remaining,
            "scopes": None if answer.scopes is None else sorted(answer.scopes),
        }

    def _first_values(self, holder: Holder, answer: TokenAnswer, connected_by: str) -> dict[str, Any]:
        return {**self._values(holder, answer), "consumer": holder.consumer, "connected_by": connected_by}

    def _rehearsal(self, grant: Grant) -> TokenAnswer:
        return TokenAnswer(grant.access_token, grant.refresh_token, time.monotonic(), 60.0, None)

    def _open(self, row: Mapping[str, Any] | None, holder: Holder) -> Grant:
        """What a row holds.

        Raises:
            NeedsReconnect: there is no row, it is marked so, or it is another holder's.
            ConfigurationError: no key opens it.
        """
        if row is None:
            raise NeedsReconnect(f"Airflow connection {holder.conn_id} is not connected to Bitbucket yet; {WAY_OUT}")
        if row["status"] != "connected":
            raise NeedsReconnect(
                f"Airflow connection {holder.conn_id} is no longer connected to Bitbucket: {row['status_reason']}; "
                f"{WAY_OUT}"
            )
        return Grant(
            access_token=self._keys.open(holder, "access", row["access_token"]),
            refresh_token=self._keys.open(holder, "refresh", row["refresh_token"]),
            remaining=row["remaining"],
            lifetime=row["lifetime"],
            sealed=row["refresh_token"],
        )


_TOKENS = ("access_token", "refresh_token")


def uninterrupted(call: Callable[[], T]) -> T:
    """What ``call`` returns or raises. An exception out of a signal handler waits until it is through.

    Python runs signal handlers in the main thread alone, so the call is made in another.
    """
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    worker = threading.Thread(target=work, name="token-refresh")
    worker.start()
    try:
        return outcome.result()
    finally:
        worker.join()


@contextmanager
def vault_transaction(store: Store) -> Iterator[Connection]:
    """A connection of its own for one transaction in the vault's role.

    Raises:
        StoreUnavailable: the database fails.
    """
    with store.transaction() as connection:
        _enter(connection, LOCK_MARGIN + 70.0)
        yield connection


def _enter(connection: Connection, lock_seconds: float) -> None:
    """Make the connection's transaction one of the vault: its role, and no time limit but for locks."""
    run_sql(connection, "vault_session.sql", {"lock_timeout": f"{lock_seconds * 1000:.0f}"})
    run_sql(connection, "vault_role.sql")


def _note(connection: Connection, conn_id: str, event: str, detail: str | None) -> int:
    """Add an event; its number."""
    row = run_sql(connection, "vault_event.sql", {"conn_id": conn_id, "event": event, "detail": detail}).fetchone()
    return int(row["event_id"]) if row else 0


def _likely_cause(unfinished: Mapping[str, Any] | None) -> str:
    if unfinished is None:
        return ", which was revoked, used elsewhere, or not used for three months"
    began: datetime = unfinished["at"]
    return (
        f"; the likely cause is an interrupted refresh: one that began at {began.astimezone(UTC):%Y-%m-%d %H:%M:%S} "
        "UTC never got to its end"
    )
