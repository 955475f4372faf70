"""What an operator does from a terminal: ``python -m bitbucket_compliance COMMAND``, one file a command.

Commands read connections and secrets from the environment and write where they are told, never beside the code. Each
module registers its commands, with their flags and help, in ``register``.
"""

from bitbucket_compliance.commands import (
    classification,
    connect,
    evidence,
    exceptions,
    explain,
    export,
    imports,
    policy,
    review,
    upgrade,
    vault_key,
    webhooks,
)
from bitbucket_compliance.commands.command_line import Commands


def register(commands: Commands) -> None:
    """Add every operator command."""
    for module in (
        upgrade,
        imports,
        classification,
        policy,
        evidence,
        exceptions,
        review,
        explain,
        export,
        connect,
        webhooks,
        vault_key,
    ):
        module.register(commands)
