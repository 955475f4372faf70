"""``rotate-vault-key``: encrypt the vault of tokens with another key."""

from __future__ import annotations

from bitbucket_compliance.commands.command_line import Commands
from bitbucket_compliance.commands.environment import token_vault


def register(commands: Commands) -> None:
    """Add the command."""
    commands.add(
        "rotate-vault-key",
        rotate_vault_key,
        "encrypt the token vault with another key: COMPLIANCE_VAULT_KEY=new,old",
    )


def rotate_vault_key() -> None:
    """Encrypt every row anew with the first key of COMPLIANCE_VAULT_KEY; the others open what they encrypted.

    Raises:
        ConfigurationError: there is no key, or a row that none of the keys opens; nothing is changed then.
        StoreUnavailable: the database fails.
    """
    count = token_vault().rotate()
    print(f"connections encrypted with the first key of COMPLIANCE_VAULT_KEY: {count}; the other keys can go now")
