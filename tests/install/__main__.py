"""From nothing to a judged workspace in a team's own Airflow, by the installed wheels alone: ``make test-install``.

For each version of Airflow a fresh environment, under constraints; then, as ``docs/install.md`` says: the connections
are stored in Airflow, the schema is made, declared data imported, the sandbox's workspace judged, a verdict explained,
results exported, and the console opened. Every step is a command; nothing of this repository is on the path. At the end
each version has published the same verdicts, no command wrote into the installed code, and OpenLineage's events lead
from Bitbucket's answers to the published tables.

In: versions of ``constraints-<version>.txt`` to try, with every Python that is found here; where none is named the
newest with the newest Python and the oldest with the oldest, which takes four minutes; ``all`` of them. No pytest is
needed: a server has none.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from bitbucket_compliance.core.postgres_address import OWNER_CONNECTION
from bitbucket_compliance.tasks.lineage import DECLARED, LANDING, PUBLISHED, STAGING, VERDICTS
from local.environment import SANDBOX_GRANTS, new_fernet_key, postgres_connection
from local.postgres import RUNNING_ROLE, EmbeddedPostgres
from sandbox.process import SandboxServer
from tests.install import FOLDER, ROOT, VERSIONS, pythons
from tests.install.build import build
from tests.install.load import LOGIN, PASSWORD

WORKSPACE = "demo-workspace"
DEMO_DATA = ROOT / "include" / "sandbox" / "demo_data"
PACKAGES = ("bitbucket_cloud", "bitbucket_webhooks", "bitbucket_compliance", "compliance_console_app")
OPENLINEAGE = "apache-airflow-providers-openlineage"
ONE_LINE = "from bitbucket_compliance.airflow_dags import *\n"


class Failed(Exception):
    """A step of the way failed."""


@dataclass(frozen=True)
class Team:
    """An environment with Airflow of one version on one Python, and a folder for what it writes."""

    version: str
    python: str
    home: Path

    def __str__(self) -> str:
        return f"Airflow {self.version} on Python {self.python}"

    @property
    def programs(self) -> Path:
        return self.home / "venv" / "bin"

    def install(self, wheels: list[Path]) -> None:
        """Airflow and the wheels, in one step, under constraints."""
        python, constraints = self.programs / "python", FOLDER / f"constraints-{self.version}.txt"
        uv = [sys.executable, "-m", "uv"]
        under = ["--python", str(python), "--constraints", str(constraints)]
        airflow = f"apache-airflow[fab]=={self.version}"
        run([*uv, "venv", "--quiet", "--python", pythons()[self.python], str(self.home / "venv")])
        run([*uv, "pip", "install", "--quiet", *under, airflow, OPENLINEAGE, *map(str, wheels)])
        run([*uv, "pip", "check", "--quiet", "--python", str(python)])

    @property
    def has_datasets(self) -> bool:
        """Whether the provider of Postgres is 6.7 or newer, from which on OpenLineage learns of tables."""
        constraints = (FOLDER / f"constraints-{self.version}.txt").read_text()
        [(major, minor)] = re.findall(r"^apache-airflow-providers-postgres==(\d+)\.(\d+)", constraints, re.MULTILINE)
        return (int(major), int(minor)) >= (6, 7)

    def code(self) -> dict[str, int]:
        """Every file of the installed code with the time of its last change."""
        [packages] = (self.home / "venv" / "lib").glob("python*/site-packages")
        return {
            str(path): path.stat().st_mtime_ns
            for name in PACKAGES
            for path in (packages / name).rglob("*")
            if path.is_file()
        }


def main(asked: list[tuple[str, str]]) -> int:
    """Try each pair of Airflow and Python; the exit code."""
    with TemporaryDirectory(prefix="install-") as folder:
        place = Path(folder)
        # Postgres gives its folder to an account of its own, which has to get there.
        place.chmod(0o711)
        wheels = build(place / "wheels")
        try:
            teams = [Team(version, python, place / f"{version}-{python}") for version, python in asked]
            published = {str(team): try_out(team, wheels) for team in teams}
        except Failed as failed:
            print(f"failed: {failed}", file=sys.stderr)
            return 1
    if len(set(map(str, published.values()))) != 1:
        print(f"failed: different verdicts were published: {published}", file=sys.stderr)
        return 1
    print(f"from nothing to a judged workspace with {', '.join(published)}: {next(iter(published.values()))}")
    return 0


def try_out(team: Team, wheels: list[Path]) -> dict[str, int]:
    """The whole way with one version; how many verdicts of each status were published."""
    began = time.monotonic()
    team.home.mkdir()
    team.home.chmod(0o711)
    team.install(wheels)
    installed = time.monotonic()
    with SandboxServer() as sandbox, EmbeddedPostgres(team.home / "postgres") as postgres:
        environment = settings(team, sandbox.url)
        before = team.code()
        for arguments, more in steps(team, sandbox.url, postgres):
            run([str(team.programs / arguments[0]), *arguments[1:]], environment | more, team.home)
        if team.code() != before:
            raise Failed(f"a command wrote into the installed code of {team}")
        published = verdicts(postgres)
        follow_lineage(team, f"postgres://127.0.0.1:{postgres.port}")
    spent = time.monotonic() - installed
    print(f"{team}: installed in {installed - began:.0f} s, judged in {spent:.0f} s", flush=True)
    return published


def settings(team: Team, sandbox: str) -> dict[str, str]:
    """A server's environment: no setting of another Airflow, nothing of this repository on the path."""
    others = ("AIRFLOW", "COMPLIANCE", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    passwords = team.home / "passwords.json"
    passwords.write_text(json.dumps({LOGIN: PASSWORD}))
    dags = team.home / "dags"
    dags.mkdir()
    (dags / "compliance.py").write_text(ONE_LINE)
    return kept | {
        "AIRFLOW_HOME": str(team.home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": new_fernet_key(),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{LOGIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API_AUTH__JWT_SECRET": "a" * 64,
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(lineage(team)), "append": True}
        ),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # Connections that Airflow stores lead to what the deployment allows.
        "COMPLIANCE_ALLOWED_HOSTS": "127.0.0.1",
        "COMPLIANCE_BITBUCKET_ORIGINS": sandbox,
        "COMPLIANCE_FOLDER": str(team.home / "files"),
        "COMPLIANCE_VAULT_KEY": new_fernet_key(),
        "GX_ANALYTICS_ENABLED": "false",
        "PATH": f"{team.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def steps(team: Team, sandbox: str, postgres: EmbeddedPostgres) -> Iterator[tuple[list[str], Mapping[str, str]]]:
    """Each command with what it needs of the environment beside the others."""
    key, secret = SANDBOX_GRANTS["admin"]
    bitbucket = {
        "conn_type": "bitbucket",
        "host": sandbox,
        "login": key,
        "password": secret,
        "extra": {"auth": "client_credentials", "oauth_url": sandbox, "workspaces": [WORKSPACE]},
    }
    running = json.loads(postgres_connection(postgres.uri(user=RUNNING_ROLE)))
    owner = {OWNER_CONNECTION: postgres_connection(postgres.uri())}
    yield ["airflow", "db", "migrate"], {}
    connections = team.home / "connections.json"
    connections.write_text(json.dumps({"bitbucket_default": bitbucket, "compliance_postgres": running}))
    yield ["airflow", "connections", "import", str(connections)], {}
    yield ["bitbucket-compliance", "upgrade"], owner
    yield ["bitbucket-compliance", "preflight"], {}
    roster, classification = DEMO_DATA / "roster.csv", DEMO_DATA / "classification.csv"
    yield ["bitbucket-compliance", "import", f"--roster={roster}", f"--classification={classification}"], {}
    yield ["bitbucket-compliance", "judge", f"--workspace={WORKSPACE}"], {}
    yield ["bitbucket-compliance", "policy", f"--workspace={WORKSPACE}"], {}
    yield ["bitbucket-compliance", "explain", "--test=peer_review_required", "--subject=payments-core"], {}
    yield ["bitbucket-compliance", "export", "--format=csv"], {}
    yield ["python", str(FOLDER / "load.py")], {}


def verdicts(postgres: EmbeddedPostgres) -> dict[str, int]:
    query = "SELECT status, count(*) FROM compliance.current_results GROUP BY status ORDER BY status"
    with psycopg.connect(postgres.uri()) as connection:
        return dict(connection.execute(query).fetchall())


def lineage(team: Team) -> Path:
    """Where OpenLineage's events go, a line an event."""
    return team.home / "lineage.jsonl"


def follow_lineage(team: Team, server: str) -> None:
    """Whether OpenLineage's events show the way from Bitbucket's answers to the published tables.

    All tasks of ``judge`` share a process, and with it what Airflow collected: an event names what those before it did.

    Raises:
        Failed: there is no event of a task's end, a task read a table before any wrote it, or a table on the way is in
            no event, though this provider of Postgres tells OpenLineage what a table is.
    """
    events = [json.loads(line) for line in lineage(team).read_text().splitlines()]
    if not any(one["eventType"] == "COMPLETE" and one["job"]["name"].endswith(".publish_results") for one in events):
        raise Failed(f"{len(events)} events of OpenLineage's, and none of the publication's end")
    if not team.has_datasets:
        return
    written: set[str] = set()
    for event in sorted(
        (one for one in events if one["eventType"] == "COMPLETE"), key=lambda one: str(one["eventTime"])
    ):
        read, wrote = (names(event[side], server) for side in ("inputs", "outputs"))
        if unknown := read - set(DECLARED) - written:
            raise Failed(f"{event['job']['name']} read what nobody wrote: {sorted(unknown)}")
        written |= wrote
    if missing := {*LANDING, *STAGING, *VERDICTS, *PUBLISHED} - written:
        raise Failed(f"no event of OpenLineage's, of {len(events)}, has written {sorted(missing)}")


def names(datasets: list[dict[str, str]], server: str) -> set[str]:
    """Schema and table of each dataset of the server."""
    return {one["name"].partition(".")[2] for one in datasets if one["namespace"] == server}


def run(command: list[str], environment: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
    """Run a program quietly.

    Raises:
        Failed: it did, and this is what it printed.
    """
    done = subprocess.run(
        command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")


def pairs(versions: list[str]) -> list[tuple[str, str]]:
    """Versions of Airflow and Python to try."""
    here = list(pythons())
    if not versions:
        return [(VERSIONS[0], here[0]), (VERSIONS[-1], here[-1])]
    return list(itertools.product(VERSIONS if versions == ["all"] else versions, here))


if __name__ == "__main__":
    sys.exit(main(pairs(sys.argv[1:])))
