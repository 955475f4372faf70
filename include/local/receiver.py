"""`make receiver`: the receiver of webhooks in the foreground, against the user's Postgres or the embedded one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

from bitbucket_compliance.commands.command_line import Flag, command, port
from bitbucket_compliance.core.postgres_address import POSTGRES_CONNECTION
from local import environment as env
from local.services import Services, usable

PATH: Final = "/webhooks/bitbucket"
#: what of the user's environment the receiver gets
PASSED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "COMPLIANCE_RECEIVER_HOST")


@command("receiver", "take webhooks in, in the foreground", Flag("port", "8085", "on this machine", port, 8085))
def receiver(port: int) -> int:
    """Run it until Ctrl-C; its exit code.

    Raises:
        CommandError: there is no Postgres to use.
    """
    with Services() as services:
        connections = usable(services.connections(needs_bitbucket=False))
        print(f"taking webhooks in at http://127.0.0.1:{port}{PATH}  (Ctrl-C ends it)")
        if not os.environ.get("COMPLIANCE_WEBHOOK_URL"):
            print("Bitbucket reaches it by an https address of yours in front: set COMPLIANCE_WEBHOOK_URL to that,")
            print("for Airflow too, then register it: make webhooks")
        sys.stdout.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "bitbucket_webhooks"],
            cwd=env.ROOT,
            env=_environment(connections.postgres, port),
            stdin=subprocess.DEVNULL,
        )
        try:
            return process.wait()
        except KeyboardInterrupt:
            # It got the signal too, and finishes what is under way.
            process.wait()
            return 0


def _environment(postgres: str, port: int) -> dict[str, str]:
    """What the receiver needs, and no secret besides: it may face the internet, and the key of tokens is none of it."""
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    return passed | {
        "PYTHONPATH": env.PYTHONPATH,
        "PYTHONUNBUFFERED": "1",
        POSTGRES_CONNECTION: postgres,
        env.WEBHOOK_KEY: env.keys_of(env.WEBHOOK_KEY, os.environ),
        "COMPLIANCE_RECEIVER_PORT": str(port),
    }
