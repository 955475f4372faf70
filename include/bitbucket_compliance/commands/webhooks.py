"""``webhooks``: register, repair, rotate or remove the webhooks of the connections to Bitbucket."""

from __future__ import annotations

import sys

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, one_of, switch
from bitbucket_compliance.commands.environment import require_bitbucket
from bitbucket_compliance.core.errors import PipelineError, one_line


@command(
    "webhooks",
    "register and repair webhooks at Bitbucket",
    Flag(
        "action",
        "ensure|rotate|remove",
        "ensure (the default): register and repair; rotate: the same with a new secret; remove: delete at Bitbucket",
        one_of("ensure", "rotate", "remove"),
        "ensure",
    ),
    Flag("workspace", "slug", "one workspace; all of the connections if left out"),
    Flag("reactivate", "1", "also switch on webhooks that were switched off", switch, default=False, bare=True),
    check=require_bitbucket,
)
def webhooks(action: str, workspace: str, reactivate: bool) -> int:
    """Do it for one workspace or all of them, and print what came of it; 1 where one of them failed.

    Raises:
        CommandError: there is no address to deliver to.
        PipelineError: nothing could be done; see ``bitbucket_compliance.tasks.bitbucket_webhooks.plan``.
    """
    from bitbucket_compliance.tasks.bitbucket_webhooks import WebhooksOff, look_after, plan

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
