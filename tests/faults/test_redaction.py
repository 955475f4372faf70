"""No secret that is in play gets anywhere a run writes to: logs, Airflow's database, Postgres, the terminal."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from local import airflow_run, services
from sandbox.errors import HTML_TOKEN
from sandbox.process import SandboxServer
from sandbox.state import ADMIN_SCOPES, SandboxState
from tests import vaulting
from tests.faults.driver import Driver
from tests.faults.searching import files_as_text, leaks, postgres_as_text, sqlite_as_text
from tests.harness import bitbucket_connection
from tests.pipeline.small import ACME, small_state

Serve = Callable[[SandboxState], SandboxServer]

CANARY = "canary-that-is-no-secret-4711"


def faulty_server(serve: Serve, *, renewable: bool) -> SandboxServer:
    """A workspace in which most kinds of bad answers occur, each once or for one repository."""
    server = serve(small_state(8))
    state = server.state
    state.workspaces[0].repositories[0].name = CANARY
    state.add_fault("branch_restrictions", kind="html", status=404, slug="repo-1")
    state.add_fault("pull_requests", status=403, slug="repo-2")
    state.add_fault("pipelines", kind="invalid_json", slug="repo-3")
    if renewable:  # the one refusal that ends a run whose token can't be renewed
        state.add_fault("pipelines_config", status=401, slug="repo-4", remaining=1)
    state.add_fault("branch_restrictions", status=429, remaining=1)
    state.add_fault("pull_requests", status=500, remaining=2)
    state.add_fault("pipelines", kind="truncated", remaining=1)
    return server


@pytest.mark.slow
@pytest.mark.parametrize("grant", ["client_credentials", "authorization_code", "access_token"])
def test_nothing_that_a_run_writes_holds_a_secret(
    driver: Driver,
    serve: Serve,
    airflow_home: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    grant: str,
) -> None:
    server = faulty_server(serve, renewable=grant != "access_token")
    connection = bitbucket_connection(server.url, "admin", auth=grant, requests_per_hour=0, rate_limit_wait=0.01)
    if grant == "access_token":
        server.state.add_token("workspace-access-token-of-this-test", ADMIN_SCOPES)
        connection |= {"login": "", "password": "workspace-access-token-of-this-test"}
    if grant == "authorization_code":
        vaulting.connect(server, driver.dsn, keys=os.environ["COMPLIANCE_VAULT_KEY"])
        server.state.expire_tokens()  # so that the run has to refresh
    log_file = tmp_path / "run.log"
    connections = services.Connections(driver.dsn, json.dumps(connection), postgres_is_embedded=False)
    job = airflow_run.Job("bitbucket_compliance", {"workspace": ACME, "full_refresh": True})
    outcome = airflow_run.run_dags([job], connections, airflow_home, log_file)
    printed = "\n".join(capfd.readouterr())
    assert "read_repositories" in printed, printed
    assert outcome.succeeded

    places = {name: text for name, text in files_as_text(tmp_path).items() if "/secrets/" not in name}
    places |= {"Airflow's database": sqlite_as_text(airflow_home / "airflow.db")}
    places |= {"Postgres": postgres_as_text(driver.dsn), "the terminal": printed}
    secrets = secrets_in_play(server, driver, connection["password"], tmp_path)
    assert leaks(places, secrets) == []
    assert leaks(places, {"canary": CANARY}), "the search finds what is there"
    assert len(secrets) > 5


def secrets_in_play(server: SandboxServer, driver: Driver, password: str, home: Path) -> dict[str, str]:
    """Whatever must not be found, by what it is."""
    state = server.state
    postgres_password = re.search(r"//[^:]+:([^@]+)@", driver.dsn)
    assert postgres_password is not None
    secrets = {
        "the consumer's secret or access token": password,
        "the token on Bitbucket's web page": HTML_TOKEN,
        "the vault's key": os.environ["COMPLIANCE_VAULT_KEY"],
        "Postgres' password": postgres_password[1],
    }
    secrets |= {f"secret {path.name}": path.read_text() for path in (home / "secrets").iterdir()}
    secrets |= {f"token {n}": token for n, token in enumerate(state.tokens) if token.startswith("sandbox-")}
    refreshes = [*state.refresh_tokens, *state.spent_refresh_tokens]
    return secrets | {f"refresh token {n}": token for n, token in enumerate(refreshes)}
