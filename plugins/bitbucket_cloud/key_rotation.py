"""Other keys for all that is encrypted: tokens and webhook secrets."""

from __future__ import annotations

from dataclasses import dataclass

from bitbucket_cloud.auth.encryption import TokenEncryption, WebhookEncryption
from bitbucket_cloud.auth.vault.vault import TokenVault
from bitbucket_cloud.database import Database
from bitbucket_cloud.webhooks.secrets.webhook_secrets import WebhookSecrets


@dataclass(frozen=True)
class Rotated:
    """How many connections' tokens, and how many webhook secrets, are encrypted with the first key of their kind."""

    connections: int
    webhook_secrets: int


def rotate_keys(database: Database, tokens: TokenEncryption, webhooks: WebhookEncryption | None) -> Rotated:
    """Encrypt everything with the first key of its kind; without keys for them, webhook secrets stay as they are.

    All or nothing.

    Raises:
        ConfigurationError: something that no key decrypts.
        DatabaseUnavailable: the database fails.
    """
    with database.vault_transaction() as connection:
        connections = TokenVault(database, tokens).encrypt_again(connection)
        secrets = WebhookSecrets(database, webhooks).encrypt_again(connection) if webhooks else 0
    return Rotated(connections, secrets)
