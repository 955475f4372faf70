"""How long the console's pages take over 10,000 repositories; ``make bench-console``.

The workspace of ``make bench-reporting`` (10,000 repositories and 3,000 members) with a shorter past stands in the
embedded Postgres with the settings of the demo. The pages of the navigation and what they link to are asked for six
times in this process, by a person who may do everything: routes, permissions, SQL and templates, all but the network.
The first time warms up, the median of the others counts. Of links of one kind a few are followed. What only a form
leads to is asked for beside them: pages as of a past day, and controls over a period.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from bitbucket_compliance.security_tests.upgrade import upgrade
from tests.bench.goals import Goals
from tests.bench.reporting import DATABASE, WORKSPACE, Size, make_history, server

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

MOST_MILLISECONDS = 300.0
REPETITIONS = 5
#: of links to one kind of page
FOLLOWED = 4
PREFIX = "/compliance"
#: of a file that is handed out, of a sign-out, and the like nothing is measured
PASSED_OVER = re.compile(r"/static/|/download|/export|/file|/connect|/callback|\.csv|format=csv")
LINK = re.compile(r'(?:href|action)="([^"#]+)')


def main(argv: list[str] | None = None) -> None:
    """Print each page's median; exit code 1 where one is slower than it may be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repositories", type=int, default=10_000)
    parser.add_argument("--members", type=int, default=3_000)
    parser.add_argument("--runs", type=int, default=90)
    parser.add_argument(
        "--only", default="", help="a regular expression: of pages whose address it does not match none is timed"
    )
    options = parser.parse_args(argv)
    only = re.compile(vars(options).pop("only"))
    goals = Goals()
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as postgres:
        dsn = postgres.uri(DATABASE)
        upgrade(dsn)
        started = time.monotonic()
        make_history(dsn, Size(**vars(options)))
        print(f"{os.cpu_count()} cores; {options.repositories:,} repositories, {options.members:,} members, ", end="")
        print(f"{options.runs} daily runs; made in {time.monotonic() - started:.0f} s", flush=True)
        with browser(Path(folder), dsn) as client:
            pages = [path for path in found(client) if only.search(path)]
            print(f"\n  {'milliseconds, warm, median of ' + str(REPETITIONS):<84} {'kB':>6} {'ms':>7}")
            for path in pages:
                size, milliseconds = measured(client, path)
                print(f"  {path[:84]:<84} {size / 1024:>6.0f} {milliseconds:>7.1f}", flush=True)
                goals.add(f"{path[:56]}: milliseconds", milliseconds, MOST_MILLISECONDS)
    goals.show()


@contextmanager
def browser(folder: Path, dsn: str) -> Iterator[TestClient]:
    """Somebody with every permission, in front of the console as Airflow mounts it."""
    os.environ.update(
        AIRFLOW_HOME=str(folder / "airflow"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__API__SECRET_KEY="of-this-benchmark-alone",
        AIRFLOW_CONN_COMPLIANCE_POSTGRES=dsn,
        AIRFLOW_CONN_BITBUCKET_DEFAULT=(
            '{"conn_type": "bitbucket", "host": "http://127.0.0.1:9", "login": "key", "password": "secret",'
            ' "extra": {"auth": "authorization_code", "oauth_url": "http://127.0.0.1:9",'
            f' "workspaces": ["{WORKSPACE}"]}}}}'
        ),
        COMPLIANCE_VAULT_KEY="MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        COMPLIANCE_EVIDENCE_URL=(folder / "evidence").as_uri(),
    )
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    _airflow_tables()
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    outer = FastAPI()
    outer.mount(PREFIX, _console())
    with TestClient(outer, base_url="http://console.test", raise_server_exceptions=True) as client:
        yield client


def _airflow_tables() -> None:
    """Airflow's own tables, empty: some pages look for its runs."""
    import subprocess

    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _console() -> FastAPI:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import get_user

    from compliance_console_app.app import create_app
    from compliance_console_app.permissions import auth_manager

    app = create_app()
    app.dependency_overrides[auth_manager] = SimpleAuthManager
    app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="owner", role="ADMIN")
    return app


def starts() -> list[str]:
    """The start page, and what only forms lead to."""
    today = datetime.now(UTC).date()
    month, quarter = today - timedelta(days=30), today - timedelta(days=89)
    past = ("", "findings", "repositories", "members", "controls")
    return [
        f"{PREFIX}/",
        *(f"{PREFIX}/{page}?as_of={day}" for page in past for day in (today - timedelta(days=1), month)),
        *(f"{PREFIX}/controls?since={since}&until={today}" for since in (month, quarter)),
    ]


def found(client: TestClient) -> Iterator[str]:
    """Paths of pages: from the start page and what only forms lead to on, a few of each kind."""
    waiting = deque(starts())
    seen = set(waiting)
    kinds: Counter[str] = Counter()
    while waiting:
        path = waiting.popleft()
        if kinds[_kind(path)] >= FOLLOWED:
            continue
        answer = client.get(path)
        if answer.status_code != 200 or "text/html" not in answer.headers["content-type"]:
            if path.count("/") <= 2:
                raise SystemExit(f"{path}: {answer.status_code}")
            continue
        kinds[_kind(path)] += 1
        yield path
        for link in LINK.findall(answer.text):
            target = urlsplit(urljoin(f"http://console.test{path}", unescape(link)))
            there = target.path + (f"?{target.query}" if target.query else "")
            is_page = target.netloc == "console.test" and target.path.startswith(f"{PREFIX}/")
            if is_page and there not in seen and not PASSED_OVER.search(there):
                seen.add(there)
                waiting.append(there)


def _kind(path: str) -> str:
    """What pages of one kind have in common: the words of their path but no names, and which values they ask for.

    Each of the tests is a kind of its own, unless something more is asked for.
    """
    parts = urlsplit(path)
    words = [part for part in parts.path.split("/") if re.fullmatch("[a-z-]+" if parts.query else "[a-z_-]+", part)]
    asked = sorted(pair.partition("=")[0] for pair in parts.query.split("&") if pair)
    return "/".join(words) + "?" + "&".join(asked)


def measured(client: TestClient, path: str) -> tuple[int, float]:
    """Size in bytes and median time in milliseconds."""
    seconds = []
    size = 0
    for _ in range(REPETITIONS + 1):
        started = time.perf_counter()
        answer = client.get(path)
        seconds.append(time.perf_counter() - started)
        size = len(answer.content)
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code}")
    return size, statistics.median(seconds[1:]) * 1000


if __name__ == "__main__":
    main()
