"""The token vault: the OAuth grants of ``authorization_code`` connections, shared by every process that uses one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitbucket_cloud.auth.encryption import Holder, TokenEncryption
from bitbucket_cloud.auth.token_endpoint import TokenAnswer, renewal_lead
from bitbucket_cloud.database import Connection, Database, one_row
from bitbucket_cloud.errors import NeedsReconnect, UnreadableBody

_SQL = Path(__file__).parent
_TOKENS = ("access_token", "refresh_token")


@dataclass(frozen=True)
class Grant:
    """Tokens of a connection, decrypted.

    Attributes:
        refresh_token: single use.
        remaining: seconds that the access token lived on when this was read, by the database's clock.
        lifetime: seconds it was given in all.
        encrypted: the refresh token as it stands in the row: which grant a change is meant for.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    remaining: float
    lifetime: float
    encrypted: str = field(default="", repr=False)

    def is_usable(self, refused: str | None) -> bool:
        """Whether the access token is worth sending."""
        return self.access_token != refused and self.remaining > renewal_lead(self.lifetime)


class TokenVault:
    """The table ``token_vault``, read and written in the vault's role. All methods raise DatabaseUnavailable.

    ``encryption`` has the keys that the configuration names unless given.

    Raises:
        ConfigurationError: there is no key, or a bad one.
    """

    def __init__(self, database: Database, encryption: TokenEncryption | None = None) -> None:
        self.database = database
        self._encryption = encryption or TokenEncryption.from_environment(database.configuration)

    def read(self, holder: Holder, connection: Connection | None = None) -> Grant:
        """The grant of a connection; ``connection``: in whose transaction, else in one of its own.

        Raises:
            NeedsReconnect: never connected, the grant is lost, or it is another holder's.
            ConfigurationError: no key decrypts it.
        """
        if connection is None:
            with self.database.vault_transaction() as own:
                return self.read(holder, own)
        row = self.database.run(connection, _SQL / "read.sql", conn_id=holder.conn_id).fetchone()
        to_connect = self.database.configuration.to_connect
        if row is None:
            raise NeedsReconnect(f"Airflow connection {holder.conn_id} is not connected to Bitbucket yet; {to_connect}")
        if row["status"] != "connected":
            raise NeedsReconnect(
                f"Airflow connection {holder.conn_id} is no longer connected to Bitbucket: {row['status_reason']}; "
                f"{to_connect}"
            )
        return Grant(
            access_token=self._encryption.decrypt_token(holder, "access", row["access_token"]),
            refresh_token=self._encryption.decrypt_token(holder, "refresh", row["refresh_token"]),
            remaining=row["remaining"],
            lifetime=row["lifetime"],
            encrypted=row["refresh_token"],
        )

    def replace(self, connection: Connection, holder: Holder, before: Grant, answer: TokenAnswer) -> None:
        """Put refreshed tokens in the place of ``before``; changes nothing where that is no longer there."""
        values = {**self._values(holder, answer), "encrypted": before.encrypted}
        if self.database.run(connection, _SQL / "refresh.sql", **values).rowcount:
            self.note(connection, holder.conn_id, "refreshed")

    def mark_lost(self, connection: Connection, holder: Holder, grant: Grant, reason: str) -> None:
        """Mark a grant as lost; changes nothing where there is another one already."""
        values = {"conn_id": holder.conn_id, "encrypted": grant.encrypted, "reason": reason}
        if self.database.run(connection, _SQL / "needs_reconnect.sql", **values).rowcount:
            self.note(connection, holder.conn_id, "needs_reconnect", reason)

    def note(self, connection: Connection, conn_id: str, event: str, detail: str | None = None) -> int:
        """Add an event to a connection's history; its number."""
        values = {"conn_id": conn_id, "event": event, "detail": detail}
        return int(one_row(self.database.run(connection, _SQL / "event.sql", **values))["event_id"])

    def connect(self, holder: Holder, obtain: Callable[[], TokenAnswer], connected_by: str) -> TokenAnswer:
        """Keep the tokens of a new consent; what was there of this connection is replaced.

        ``obtain`` exchanges the code at Bitbucket; it is called once it is sure that the answer can be kept.

        Raises:
            UnreadableBody: Bitbucket gave no refresh token.
            BitbucketError: as ``obtain`` raises.
        """
        trial = TokenAnswer("trial", "trial", time.monotonic(), 60.0, None)
        with self.database.vault_transaction() as connection, connection.transaction(force_rollback=True):
            self._connect(connection, holder, trial, connected_by)
        answer = obtain()
        if answer.refresh_token is None:
            raise UnreadableBody(
                f"Bitbucket gave Airflow connection {holder.conn_id} no refresh token; check that its consumer is an "
                "OAuth consumer with a callback address"
            )
        with self.database.vault_transaction() as connection:
            self._connect(connection, holder, answer, connected_by)
        return answer

    def disconnect(self, conn_id: str, by: str) -> bool:
        """Forget a connection's tokens; whether there were any. Bitbucket keeps the grant until it is removed there."""
        with self.database.vault_transaction() as connection:
            was_connected = self.database.run(connection, _SQL / "disconnect.sql", conn_id=conn_id).rowcount > 0
            if was_connected:
                self.note(connection, conn_id, "disconnected", f"by {by}")
            return was_connected

    def encrypt_again(self, connection: Connection) -> int:
        """Encrypt all tokens with the first key, in the caller's transaction; how many connections have some.

        Raises:
            ConfigurationError: tokens that no key decrypts.
        """
        rows = self.database.run(connection, _SQL / "lock_all.sql").fetchall()
        for row in rows:
            tokens = {name: self._encryption.encrypt_again(row["conn_id"], row[name]) for name in _TOKENS}
            self.database.run(connection, _SQL / "encrypt_again.sql", conn_id=row["conn_id"], **tokens)
            self.note(connection, row["conn_id"], "rotated")
        return len(rows)

    def connections_of(self, consumer: str) -> list[str]:
        """Ids of the connections that were connected with this OAuth key."""
        with self.database.vault_transaction() as connection:
            rows = self.database.run(connection, _SQL / "of_consumer.sql", consumer=consumer).fetchall()
        return [row["conn_id"] for row in rows]

    def _connect(self, connection: Connection, holder: Holder, answer: TokenAnswer, connected_by: str) -> None:
        values = {**self._values(holder, answer), "consumer": holder.consumer, "connected_by": connected_by}
        self.database.run(connection, _SQL / "connect.sql", **values)
        self.note(connection, holder.conn_id, "connected", f"by {connected_by}")

    def _values(self, holder: Holder, answer: TokenAnswer) -> dict[str, Any]:
        return {
            "conn_id": holder.conn_id,
            "access_token": self._encryption.encrypt_token(holder, "access", answer.access_token),
            "refresh_token": self._encryption.encrypt_token(holder, "refresh", answer.refresh_token or ""),
            "remaining": answer.remaining,
            "scopes": None if answer.scopes is None else sorted(answer.scopes),
        }
