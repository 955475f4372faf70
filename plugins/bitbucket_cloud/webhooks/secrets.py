"""The secrets that Bitbucket signs its deliveries with, one current a connection, sealed with the keys of the vault.

After a rotation the one before is accepted for a while, as deliveries are under way and webhooks get the new one one
after the other. A webhook that can't be given the new one keeps delivering with its own: whoever checks a delivery also
accepts the secret that its webhook was given last (``integration.webhooks.secret_id``).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from bitbucket_cloud.auth.encryption import KeyRing
from bitbucket_cloud.auth.vault import vault_transaction
from bitbucket_cloud.database import Connection, Store, run_sql
from bitbucket_cloud.errors import StoreUnavailable

#: Random bytes of a secret; as text they are 43 characters of the 128 that Bitbucket takes.
SECRET_BYTES = 32
#: For how long a secret is accepted after it was rotated.
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True)
class Secret:
    """A secret, decrypted, and the number it goes by."""

    secret_id: int
    value: str = field(repr=False)


class WebhookSecrets:
    """The table ``integration.webhook_secrets``, read and written as the role ``compliance_vault``.

    Args:
        store: the Postgres it is in.
        keys: opens and seals the secrets; those of ``COMPLIANCE_VAULT_KEY`` unless given.

    Raises:
        ConfigurationError: there is no key, or a bad one.
    """

    def __init__(self, store: Store, keys: KeyRing | None = None) -> None:
        self._store = store
        self._keys = keys or KeyRing.from_environment()

    def current(self, conn_id: str) -> Secret:
        """The secret for webhooks of a connection, made when it is first asked for; the same one for all who ask.

        Raises:
            ConfigurationError: no key opens it.
            StoreUnavailable: the database fails.
        """
        with vault_transaction(self._store) as connection:
            return self._read(connection, conn_id) or self._made(connection, conn_id)

    def rotate(self, conn_id: str, overlap: timedelta = OVERLAP) -> Secret:
        """A new current secret; the one before is accepted for ``overlap`` from now on. Raises as ``current`` does."""
        with vault_transaction(self._store) as connection:
            run_sql(connection, "webhook_secrets_lock.sql")
            run_sql(connection, "webhook_secret_retire.sql", {"conn_id": conn_id, "overlap": overlap})
            return self._made(connection, conn_id)

    def forget(self, conn_id: str) -> None:
        """Delete all secrets of a connection: no delivery of its webhooks is accepted from now on.

        Raises:
            StoreUnavailable: the database fails.
        """
        with vault_transaction(self._store) as connection:
            run_sql(connection, "webhook_secrets_forget.sql", {"conn_id": conn_id})

    def _made(self, connection: Connection, conn_id: str) -> Secret:
        """A new secret, or the one that another process committed first."""
        sealed = self._keys.seal_webhook_secret(conn_id, secrets.token_urlsafe(SECRET_BYTES))
        run_sql(connection, "webhook_secret_add.sql", {"conn_id": conn_id, "sealed": sealed})
        secret = self._read(connection, conn_id)
        if secret is None:
            raise StoreUnavailable(
                f"the webhook secret of Airflow connection {conn_id} was deleted while it was made; run again"
            )
        return secret

    def _read(self, connection: Connection, conn_id: str) -> Secret | None:
        row = run_sql(connection, "webhook_secret_current.sql", {"conn_id": conn_id}).fetchone()
        if row is None:
            return None
        return Secret(row["secret_id"], self._keys.open_webhook_secret(conn_id, row["sealed"]))
