"""Load provider, DAGs and console as a team's Airflow does.

It runs in the fresh environment, where nothing of this repository is on the path, after a workspace was judged there.
In: Airflow's configuration in the environment. Out: one line, or what failed and exit 1.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

LOGIN, PASSWORD = "ann", "for-as-long-as-the-test"
#: pages of the console that ask the database
PAGES = ("", "tests", "repositories", "members", "evidence", "exceptions", "policies", "imports", "runs", "audit")
DAGS = {
    "bitbucket_compliance",
    "bitbucket_events",
    "bitbucket_schedule",
    "bitbucket_webhooks",
    "audit_package",
    "export_results",
    "housekeeping",
    "notification_digest",
    "operations_alerts",
    "registry_import",
    "roster_refresh",
}


def main() -> list[str]:
    return [*code(), *dags(), *provider(), *console()]


def code() -> list[str]:
    import bitbucket_cloud
    import bitbucket_compliance
    import compliance_console_app

    packages = (bitbucket_cloud, bitbucket_compliance, compliance_console_app)
    places = [Path(str(package.__file__)).parents[1] for package in packages]
    return [f"code comes from {place}, not from a wheel" for place in places if place.name != "site-packages"]


def dags() -> list[str]:
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag  # noqa: TID251

    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    bag = DagBag(str(folder), bundle_path=folder)
    found = set(bag.dags)
    return [
        *(f"{file}: {error}" for file, error in bag.import_errors.items()),
        *([] if found == DAGS else [f"DAGs: {sorted(found)}"]),
    ]


def provider() -> list[str]:
    from airflow.providers_manager import ProvidersManager

    hook = ProvidersManager().hooks.get("bitbucket")
    return [] if hook and hook.hook_name == "Bitbucket Cloud" else ["Airflow knows no connection of type bitbucket"]


def console() -> list[str]:
    """The pages of the console inside Airflow's own application, and that they need a login."""
    # As `airflow api-server` does: connections are those that Airflow stores, too.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    wrong = []
    with TestClient(create_app(apps="core"), base_url="http://localhost") as client:
        if (status := client.get("/compliance/").status_code) != 401:
            wrong.append(f"the console answers {status} to somebody who is not signed in")
        signed_in = client.post("/auth/token", json={"username": LOGIN, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
        for name in PAGES:
            answer = client.get(f"/compliance/{name}")
            if answer.status_code != 200:
                wrong.append(f"page /compliance/{name} answers {answer.status_code}: {answer.text[:300]}")
        if "demo-workspace" not in client.get("/compliance/").text:
            wrong.append("the console's overview doesn't show the workspace that was judged")
    return wrong


if __name__ == "__main__":
    failures = main()
    for failure in failures:
        print(failure, file=sys.stderr)
    if not failures:
        print("provider, DAGs and console load")
    sys.exit(1 if failures else 0)
