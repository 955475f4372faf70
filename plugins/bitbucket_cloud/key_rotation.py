"""Another key for all that is encrypted: tokens and webhook secrets."""

from __future__ import annotations

from bitbucket_cloud.auth.encryption import Encryption
from bitbucket_cloud.auth.vault.vault import TokenVault
from bitbucket_cloud.database import Database
from bitbucket_cloud.webhooks.secrets.webhook_secrets import WebhookSecrets


def rotate_key(database: Database, encryption: Encryption) -> int:
    """Encrypt everything with the first key of ``encryption``; how many connections have tokens. All or nothing.

    Raises:
        ConfigurationError: something that no key decrypts.
        DatabaseUnavailable: the database fails.
    """
    with database.vault_transaction() as connection:
        count = TokenVault(database, encryption).encrypt_again(connection)
        WebhookSecrets(database, encryption).encrypt_again(connection)
    return count
