"""``webhooks``: register, repair, rotate or remove the webhooks of the connection ``bitbucket_default``."""

from __future__ import annotations

import sys

from bitbucket_compliance.commands.command_line import CommandError, Commands, one_of, switch
from bitbucket_compliance.commands.environment import require_bitbucket
from bitbucket_compliance.core.errors import PipelineError, one_line


def register(commands: Commands) -> None:
    """Add the command."""
    command = commands.add(
        "webhooks", webhooks, "register and repair webhooks at Bitbucket", check=lambda **_: require_bitbucket()
    )
    command.flag(
        "action",
        "ensure|rotate|remove",
        "ensure (the default): register and repair; rotate: the same with a new secret; remove: delete at Bitbucket",
        is_a=one_of("ensure", "rotate", "remove"),
        default="ensure",
    )
    command.flag("workspace", "slug", "one workspace; all of the connection where it is left out")
    command.flag("reactivate", "1", "switch on what was switched off, too", is_a=switch, default=False, bare=True)


def webhooks(action: str, workspace: str, reactivate: bool) -> int:
    """Do it for one workspace or all of them, and print what came of it; 1 where one of them failed.

    Raises:
        CommandError: there is no address to deliver to.
        PipelineError: nothing could be done; see ``bitbucket_compliance.tasks.webhooks.plan``.
    """
    from bitbucket_compliance.tasks.webhooks import WebhooksOff, look_after, plan

    failures = 0
    try:
        for name in plan(action, workspace):
            try:
                for line in look_after(action, name, reactivate=reactivate):
                    print(line, flush=True)
            except PipelineError as error:
                # One bad workspace never holds up another.
                print(f"error: {one_line(error)}", file=sys.stderr, flush=True)
                failures += 1
    except WebhooksOff as off:
        raise CommandError(str(off)) from None
    return 1 if failures else 0
