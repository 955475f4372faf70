"""dlt's REST API source into Postgres, the calls declared as its documentation declares them.

Tuned: the same fields as ours, as many workers as connections, pages of ten repositories (dlt reads the children of
one page one after another), nested values kept as JSON and CSV files loaded by COPY. Runs in an environment of its
own that holds dlt alone; nothing is reported to its makers.
"""

from __future__ import annotations

import os
import tempfile
import time
from typing import Any

from tests.bench.baselines.calls import API, OF_REPOSITORY, OF_WORKSPACE, REPOSITORIES, Asked
from tests.bench.baselines.contender import KEY, SECRET, Measured, parser, timed

LISTED_A_PAGE = 10


def configure(connections: int, *, tuned: bool) -> None:
    """dlt's settings by way of its environment variables."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
    if tuned:
        os.environ["EXTRACT__WORKERS"] = str(connections)
        os.environ["EXTRACT__MAX_PARALLEL_ITEMS"] = "200"
        os.environ["EXTRACT__FUTURES_POLL_INTERVAL"] = "0.001"


def source(url: str, *, tuned: bool) -> Any:
    """The workspace as a dlt source."""
    import requests
    from dlt.sources.rest_api import rest_api_source

    grant = {"grant_type": "client_credentials"}
    answer = requests.post(f"{url}/site/oauth2/access_token", data=grant, auth=(KEY, SECRET), timeout=60)
    auth = {"type": "bearer", "token": answer.json()["access_token"]}
    workspace = [_resource(asked, tuned=tuned) for asked in (REPOSITORIES, *OF_WORKSPACE)]
    if tuned:
        workspace[0]["endpoint"]["params"]["pagelen"] = LISTED_A_PAGE
    repository = [_resource(asked, tuned=tuned, slug="{resources.repositories.slug}") for asked in OF_REPOSITORY]
    return rest_api_source(
        {
            "client": {
                "base_url": url + API,
                "auth": auth,
                "paginator": {"type": "json_link", "next_url_path": "next"},
            },
            "resources": [*workspace, *repository],
        },
        parallelized=tuned,
        max_table_nesting=0 if tuned else None,
    )


def _resource(asked: Asked, *, tuned: bool, slug: str = "") -> dict[str, Any]:
    endpoint: dict[str, Any] = {"path": asked.path.format(slug=slug), "params": asked.query(trimmed=tuned)}
    if not asked.listing:
        endpoint["paginator"] = "single_page"
    if "pagelen" in asked.params:
        endpoint["data_selector"] = "values"
    return {"name": asked.resource.name, "endpoint": endpoint}


def main() -> None:
    """Run the pipeline once and print what it cost."""
    options = parser(__doc__)
    options.add_argument("--tuned", action="store_true")
    given = options.parse_args()
    configure(given.connections, tuned=given.tuned)
    import dlt

    measured = Measured()
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(given.dsn),
            dataset_name="plain",
        )
        with timed(measured, lands=True):
            began = time.monotonic()
            pipeline.extract(source(given.url, tuned=given.tuned), loader_file_format="csv" if given.tuned else None)
            measured.extraction = time.monotonic() - began
            pipeline.normalize()
            pipeline.load()
        with pipeline.sql_client() as database:
            for asked in (REPOSITORIES, *OF_WORKSPACE, *OF_REPOSITORY):
                table = database.make_qualified_table_name(asked.resource.name)
                measured.objects += database.execute_sql(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608
    measured.print()


if __name__ == "__main__":
    main()
