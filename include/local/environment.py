"""The environment that Airflow and its tasks get on a laptop, and which of two connections is whose.

A connection that the user sets in the environment always wins, except in the demo; the other one is
the embedded Postgres, or the bundled sandbox.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bitbucket_compliance.commands.environment import BITBUCKET_CONNECTION as BITBUCKET_CONNECTION
from bitbucket_compliance.core.postgres_address import OWNER_CONNECTION, POSTGRES_CONNECTION, PostgresAddress

ROOT: Final = Path(__file__).resolve().parents[2]
LOCAL: Final = ROOT / ".local"
PYTHONPATH: Final = os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins")])

RUN_REPORT: Final = "COMPLIANCE_RUN_REPORT"
VAULT_KEY: Final = "COMPLIANCE_VAULT_KEY"
WEBHOOK_KEY: Final = "COMPLIANCE_WEBHOOK_KEY"
#: Variables with Fernet keys, and where this checkout keeps those that it made for itself.
OWN_KEYS: Final = {VAULT_KEY: "vault_key", WEBHOOK_KEY: "webhook_key"}

DEMO_WORKSPACE: Final = "demo-workspace"
SANDBOX_GRANTS: Final[dict[str, tuple[str, str]]] = {
    # Consumers that the sandbox knows; they open nothing real.
    "admin": ("demo-admin-key", "demo-admin-secret"),
    "five": ("demo-key", "demo-secret"),
}
#: extra `auth` of a connection that a person connects by consenting on Bitbucket's page
BY_CONSENT: Final = "authorization_code"


def bitbucket_connection(url: str, grant: str = "admin", auth: str = "client_credentials") -> str:
    """The connection to a sandbox at `url`, as JSON; `grant` names what its consumer may read."""
    key, secret = SANDBOX_GRANTS[grant]
    extra = {"auth": auth, "oauth_url": url, "workspaces": [DEMO_WORKSPACE], "requests_per_hour": 0}
    connection = {"conn_type": "bitbucket", "host": url, "login": key, "password": secret, "extra": extra}
    return json.dumps(connection)


def postgres_connection(uri: str) -> str:
    """The connection to the Postgres at `uri`, as JSON (a password needs no escaping there)."""
    address = PostgresAddress.from_airflow(uri)
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": address.host,
            "port": address.port,
            "login": address.user,
            "password": address.password,
            "schema": address.database,
        }
    )


def user_connections(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The connections that the user set (empty counts as not set)."""
    given = os.environ if environment is None else environment
    return {name: given[name] for name in (POSTGRES_CONNECTION, BITBUCKET_CONNECTION) if given.get(name)}


def airflow_environment(home: Path, *, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The full environment for an Airflow process whose metadata and logs live in `home`.

    Settings of another Airflow on this machine (AIRFLOW__*, AIRFLOW_HOME) are dropped, and so is the
    login that migrates: no task needs it. Connections and variables (AIRFLOW_CONN_*, AIRFLOW_VAR_*) and
    everything else pass.
    """
    given = os.environ if base is None else base
    kept = {
        name: value for name, value in given.items() if not name.startswith("AIRFLOW__") and name != OWNER_CONNECTION
    }
    places = {name: given.get(name) or place for name, place in _places().items()}
    return (
        kept
        | places
        | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "PYTHONPATH": PYTHONPATH,
            # `airflow` starts other programs of the environment by name.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), given.get("PATH", os.defpath)]),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__CORE__FERNET_KEY": _kept_secret("fernet_key", new_fernet_key),
            "AIRFLOW__API_AUTH__JWT_SECRET": _kept_secret("jwt_secret", lambda: secrets.token_urlsafe(64)),
            "AIRFLOW__API__SECRET_KEY": _kept_secret("api_secret_key", lambda: secrets.token_urlsafe(32)),
            **{variable: keys_of(variable, given) for variable in OWN_KEYS},
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__TEST_CONNECTION": "Disabled",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "GX_ANALYTICS_ENABLED": "false",
            "PYTHONUNBUFFERED": "1",
        }
    )


def _places() -> dict[str, str]:
    """Where this checkout keeps and looks for files, unless the environment says otherwise."""
    return {
        "COMPLIANCE_EVIDENCE_URL": (LOCAL / "evidence").as_uri(),
        "COMPLIANCE_DATA_DOCS_URL": (LOCAL / "data_docs").as_uri(),
        "COMPLIANCE_EXPORT_TARGET": str(ROOT / "exports"),
        "COMPLIANCE_IMPORT_FOLDERS": os.pathsep.join([str(ROOT / "imports"), str(ROOT / "include/sandbox/demo_data")]),
        "COMPLIANCE_QUERY_FOLDERS": str(ROOT / "queries"),
    }


def keys_of(variable: str, environment: Mapping[str, str]) -> str:
    """The keys of one of ``OWN_KEYS``: the person's, or the one that this checkout made for itself."""
    return environment.get(variable) or _kept_secret(OWN_KEYS[variable], new_fernet_key)


def keep_keys(variable: str, keys: str) -> None:
    """Keep these keys in the place of the checkout's own."""
    path = LOCAL / "secrets" / OWN_KEYS[variable]
    write_secret(path.with_name(f"{path.name}.{os.getpid()}"), keys).replace(path)


def dashboard_secret(name: str) -> str:
    """A password or key of the dashboard (`admin`, `viewer`, `database`, `key`), made once and then kept."""
    return _kept_secret(f"dashboard_{name}", lambda: secrets.token_urlsafe(32 if name in ("key", "database") else 12))


def new_fernet_key() -> str:
    """A fresh key, as the token vault and Airflow encrypt with."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _kept_secret(name: str, make: Callable[[], str]) -> str:
    """A secret that is made once and then kept in `.local/secrets`, readable by its owner alone."""
    folder = LOCAL / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        unfinished = write_secret(folder / f"{name}.{os.getpid()}", make())
        # Of two processes that start at once, the first one's secret stays.
        try:
            os.link(unfinished, path)
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    return path.read_text()


def write_secret(path: Path, value: str) -> Path:
    """Write a file that its owner alone can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(value)
    return path
