"""``upgrade`` and ``rotate-vault-key``: what is done to the data's Postgres after a new version, or for new keys."""

import os

from bitbucket_compliance.commands.command_line import command
from bitbucket_compliance.commands.environment import owner_address, results_address, vault_database


@command("upgrade", "bring the schema of the results' Postgres up to date")
def upgrade() -> None:
    """Upgrade the database of ``compliance_postgres``; see ``bitbucket_compliance.security_tests.upgrade``."""
    from bitbucket_compliance.security_tests.upgrade import bring_up

    bring_up(owner_address(), results_address())
    print("compliance schema is current")


@command(
    "rotate-vault-key",
    "encrypt tokens and webhook secrets with other keys: COMPLIANCE_VAULT_KEY=new,old COMPLIANCE_WEBHOOK_KEY=new,old",
)
def rotate_vault_key() -> None:
    """Encrypt every row anew with the first key of its kind; the others open what they encrypted.

    Raises:
        ConfigurationError: there is no key for tokens, a bad one, or a row that none of its keys opens; nothing is
            changed then.
    """
    from bitbucket_cloud.auth.encryption import TokenEncryption, WebhookEncryption
    from bitbucket_cloud.key_rotation import rotate_keys
    from bitbucket_compliance.core.bitbucket import CONFIGURATION

    has_webhooks = bool(os.environ.get(CONFIGURATION.webhook_key_variable))
    webhooks = WebhookEncryption.beside_tokens(CONFIGURATION) if has_webhooks else None
    done = rotate_keys(vault_database(), TokenEncryption.from_environment(CONFIGURATION), webhooks)
    print(f"connections encrypted with the first key of COMPLIANCE_VAULT_KEY: {done.connections}")
    if has_webhooks:
        print(f"webhook secrets encrypted with the first key of COMPLIANCE_WEBHOOK_KEY: {done.webhook_secrets}")
    print("the other keys can go now")
