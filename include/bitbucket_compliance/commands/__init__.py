"""What an operator does from a terminal: ``python -m bitbucket_compliance COMMAND``, a file a command or small group.

Commands find connections as Airflow does, in the environment first, and write where they are told, never beside the
code. Each registers itself, with its flags and help, by the decorator ``command_line.command`` as its module is
imported.
"""
# ruff: noqa: F401

from bitbucket_compliance.commands import (
    audit,
    backup,
    connect,
    evidence,
    exceptions,
    explain,
    export,
    grants,
    imports,
    judge,
    policy,
    preflight,
    review,
    take_back,
    upgrade,
    verify,
    webhooks,
)
