"""``unclassify``: take a classification entry back."""

from __future__ import annotations

from bitbucket_compliance.commands.command_line import Commands, workspace
from bitbucket_compliance.commands.environment import database, operator


def register(commands: Commands) -> None:
    """Add the command."""
    command = commands.add("unclassify", unclassify, "take a classification entry back")
    command.flag("target-type", "repository|project|pattern", "what the entry is about", required=True)
    command.flag("target", "name", "slug or uuid, project key, or pattern, as in the entry", required=True)
    command.flag("workspace", "slug", "where the entry holds for one workspace alone", is_a=workspace, default=None)


def unclassify(target_type: str, target: str, workspace: str | None) -> None:
    """Take the entry back.

    Raises:
        ImportRefused: no such entry is in force.
    """
    from bitbucket_compliance.registry.classification import withdraw

    with database() as connection:
        print(withdraw(connection, target_type, target, workspace=workspace, withdrawn_by=operator()))
