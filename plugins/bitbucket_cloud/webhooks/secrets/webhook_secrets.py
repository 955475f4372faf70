"""The secrets that Bitbucket signs its deliveries with, one current one a connection, encrypted with keys of their own.

After a rotation the one before is accepted for a while, as deliveries are under way and webhooks get the new one one
after the other. A webhook that can't be given the new one keeps delivering with its own: whoever checks a delivery also
accepts the secret that its webhook was given last (``webhooks.secret_id``).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from bitbucket_cloud.auth.encryption import WebhookEncryption
from bitbucket_cloud.database import Connection, Database
from bitbucket_cloud.errors import DatabaseUnavailable

#: Random bytes of a secret; as text they are 43 characters of the 128 that Bitbucket takes.
SECRET_BYTES = 32
#: For how long a secret is accepted after it was rotated.
OVERLAP = timedelta(hours=24)

_SQL = Path(__file__).parent


@dataclass(frozen=True)
class Secret:
    """A secret, decrypted, and the number it goes by."""

    secret_id: int
    value: str = field(repr=False)


class WebhookSecrets:
    """The table ``webhook_secrets``, read and written in the vault's role. All methods raise DatabaseUnavailable.

    ``encryption`` has the keys that the configuration names unless given.

    Raises:
        ConfigurationError: there is no key, a bad one, or one that encrypts tokens too.
    """

    def __init__(self, database: Database, encryption: WebhookEncryption | None = None) -> None:
        self._database = database
        self._encryption = encryption or WebhookEncryption.beside_tokens(database.configuration)

    def current(self, conn_id: str) -> Secret:
        """The secret for webhooks of a connection, made when it is first asked for; the same one for all who ask.

        Raises:
            ConfigurationError: no key decrypts it.
        """
        with self._database.vault_transaction() as connection:
            return self._read(connection, conn_id) or self._made(connection, conn_id)

    def rotate(self, conn_id: str, overlap: timedelta = OVERLAP) -> Secret:
        """A new current secret; the one before is accepted for ``overlap`` from now on. Raises as ``current`` does."""
        with self._database.vault_transaction() as connection:
            self._database.run(connection, _SQL / "lock.sql")
            self._database.run(connection, _SQL / "retire.sql", conn_id=conn_id, overlap=overlap)
            return self._made(connection, conn_id)

    def forget(self, conn_id: str) -> None:
        """Delete all secrets of a connection: no delivery of its webhooks is accepted from now on."""
        with self._database.vault_transaction() as connection:
            self._database.run(connection, _SQL / "forget.sql", conn_id=conn_id)

    def encrypt_again(self, connection: Connection) -> int:
        """Encrypt all secrets with the first key, in the caller's transaction; how many.

        Raises:
            ConfigurationError: a secret that no key decrypts.
        """
        rows = self._database.run(connection, _SQL / "lock_all.sql").fetchall()
        for row in rows:
            encrypted = self._encryption.encrypt_again(row["conn_id"], row["sealed"])
            values = {"secret_id": row["secret_id"], "encrypted": encrypted}
            self._database.run(connection, _SQL / "encrypt_again.sql", **values)
        return len(rows)

    def _made(self, connection: Connection, conn_id: str) -> Secret:
        """A new secret, or the one that another process committed first."""
        encrypted = self._encryption.encrypt_webhook_secret(conn_id, secrets.token_urlsafe(SECRET_BYTES))
        self._database.run(connection, _SQL / "add.sql", conn_id=conn_id, encrypted=encrypted)
        secret = self._read(connection, conn_id)
        if secret is None:
            raise DatabaseUnavailable(
                f"the webhook secret of Airflow connection {conn_id} was deleted while it was made; run again"
            )
        return secret

    def _read(self, connection: Connection, conn_id: str) -> Secret | None:
        row = self._database.run(connection, _SQL / "current.sql", conn_id=conn_id).fetchone()
        if row is None:
            return None
        return Secret(row["secret_id"], self._encryption.decrypt_webhook_secret(conn_id, row["sealed"]))
