"""`dashboard`, `dashboard-down` and `dashboard-export`: Superset with the compliance dashboard, in the background.

It reads the same Postgres as the pipeline writes, with a login that may read what is published and nothing else.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, port, switch
from bitbucket_compliance.core.postgres_address import POSTGRES_CONNECTION
from bitbucket_compliance.reporting.dashboards.login import ROLE, ensure_login
from local import environment as env
from local.processes import HOST, free_port
from local.services import Services, only_one, usable
from local.superset import FOLDER, RESULTS, Superset, install, is_installed
from local.supervisor import Background, require_free, supervise

HOME: Final = env.LOCAL / "superset"
PREFERRED_PORT: Final = 8088
PAGE: Final = "/superset/dashboard/compliance/"
LOGINS: Final = ("admin", "viewer")
SUPERSET: Final = Background(
    "Superset",
    "local.dashboard",
    HOME,
    env.LOCAL / "logs" / "dashboard.log",
    "make dashboard-down",
    "/health",
    lambda answer: answer == b"OK",
)


@command(
    "dashboard",
    "Superset with the compliance dashboard on this machine, in the background",
    Flag("port", str(PREFERRED_PORT), "of the page; where it is taken and none is named, another", port, 0),
    Flag("setup-only", "1", "install Superset and start nothing", switch, default=False, bare=True),
)
def dashboard(port: int, setup_only: bool = False) -> None:
    """Install Superset if it is missing, start it in the background, print its address and the logins."""
    if not setup_only:
        if url := SUPERSET.running_at():
            print(f"already up: {url}{PAGE}  ({SUPERSET.stopped_by} stops it)")
            return
        require_free(port)
    install()
    if setup_only:
        return
    url = SUPERSET.start(str(port))
    print(f"dashboard: {url}{PAGE}")
    for user in LOGINS:
        print(f"  login {user} / {env.dashboard_secret(user)}")
    print(f"log: {SUPERSET.log.relative_to(env.ROOT)}; stop it with: {SUPERSET.stopped_by}")


command("dashboard-down", "stop what `make dashboard` started")(SUPERSET.stop)


@command(
    "dashboard-export",
    "write the dashboard, as it was changed in the browser, back into "
    "include/bitbucket_compliance/reporting/dashboards/assets",
)
def export() -> None:
    """Write the dashboard, as somebody changed it in the browser, back into the asset files."""
    if not is_installed() or not (HOME / "superset.db").exists():
        raise CommandError("there is no dashboard to export yet: make dashboard")
    _superset("").export(FOLDER / "assets")
    print(f"written: {(FOLDER / 'assets').relative_to(env.ROOT)}")


def _superset(results: str) -> Superset:
    """The Superset of this checkout."""
    admin, viewer = map(env.dashboard_secret, LOGINS)
    return Superset(HOME, results, env.dashboard_secret("key"), admin, viewer, SUPERSET.log)


def results_address(services: Services) -> str:
    """The address that Superset reads the results at, with a login that can do no more than that.

    The user's own where it is set; else the embedded Postgres, where the login is made.
    Raises CommandError where it can't be used, or could do more than read.
    """
    given = os.environ.get(RESULTS)
    if given:
        require_reader(given)
        return given
    if env.user_connections().get(POSTGRES_CONNECTION):
        raise CommandError(
            f"the results are in a Postgres of yours: create a login there with the role {ROLE} and nothing else, "
            f"and name it: {RESULTS}=postgresql://login:password@host:port/database"
        )
    connections = usable(services.connections(needs_bitbucket=False))
    return ensure_login(connections.owner_address.dsn, env.dashboard_secret("database"))


def require_reader(address: str) -> None:
    """Raise CommandError unless the login at `address` reads the results and changes none."""
    import psycopg

    question = (
        "SELECT has_table_privilege('compliance.current_results', 'SELECT'),"
        " has_table_privilege('compliance.results', 'INSERT, UPDATE, DELETE, TRUNCATE')"
    )
    try:
        with psycopg.connect(address, connect_timeout=10) as connection:
            reads, writes = connection.execute(question).fetchone() or (False, True)
    except psycopg.errors.UndefinedTable:
        raise CommandError(f"{RESULTS}: there are no results in that database: run the pipeline first") from None
    except psycopg.errors.InsufficientPrivilege:
        reads, writes = False, False
    except psycopg.Error as error:
        # Its text repeats the address, so it is not shown.
        if "permission denied" in str(error):
            raise CommandError(f"{RESULTS}: that login may not read the results: GRANT {ROLE} TO it") from None
        raise CommandError(f"{RESULTS}: no Postgres answers to that host, port, login and password") from None
    if writes:
        raise CommandError(f"{RESULTS}: that login may change results: name one with the role {ROLE} and nothing else")
    if not reads:
        raise CommandError(f"{RESULTS}: that login may not read the results: GRANT {ROLE} TO it")


def run(port: int) -> None:
    """Hold Superset and the embedded Postgres until a signal comes (in the supervisor)."""
    with only_one(HOME), Services() as services:
        superset = _superset(results_address(services))
        superset.prepare()
        port = port or free_port(PREFERRED_PORT)
        SUPERSET.hold(superset.serve(port), f"http://{HOST}:{port}")


if __name__ == "__main__":
    sys.exit(supervise(lambda: run(int(sys.argv[1]))))
