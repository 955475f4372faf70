"""The body of the task of the DAG bitbucket_schedule."""

import logging
from typing import Any

from bitbucket_cloud.errors import BitbucketError
from bitbucket_cloud.settings import Settings
from bitbucket_compliance.core.database import run_sql
from bitbucket_compliance.pipeline.run.identity import kept_as
from bitbucket_compliance.tasks.connected import all_connected, skip_until_connected
from bitbucket_compliance.tasks.frame import compliance_postgres, fail_without_retry

log = logging.getLogger(__name__)


def connected_workspaces() -> list[dict[str, Any]]:
    """A run's ``conf`` for each workspace of the connections' extra ``workspaces``; skipped while none is connected.

    Those whose last whole publication is oldest come first. Each workspace's share of the hour's requests is kept for
    it from now on, however late a worker takes its run up.
    """
    with fail_without_retry(), skip_until_connected():
        connected = all_connected()
        workspaces = list(dict.fromkeys(slug for settings in connected for slug in settings.workspaces))
        with compliance_postgres() as connection:
            kept = {slug: kept_as(connection, slug) for slug in workspaces}
            found = run_sql(connection, "tasks/last_readings.sql", {"workspaces": list(kept.values())})
            last = {row["workspace"]: row for row in found}
            connection.commit()
    for settings in connected:
        _keep_shares(settings, {kept[slug]: last[kept[slug]]["requests"] for slug in settings.workspaces})
    workspaces.sort(key=lambda slug: last[kept[slug]]["published"])
    return [{"workspace": slug, "full_refresh": False} for slug in workspaces]


def _keep_shares(settings: Settings, expected: dict[str, int | None]) -> None:
    """Say how many requests the workspaces of a connection will probably want; without, they share as they come."""
    from bitbucket_cloud.database import Database
    from bitbucket_cloud.rate_limit.ledger import PostgresLedger, consumer_of
    from bitbucket_compliance.core.bitbucket import CONFIGURATION

    ledger = PostgresLedger(Database.from_airflow(CONFIGURATION), consumer_of(settings))
    try:
        ledger.expect_all(expected)
    except BitbucketError as error:
        log.warning(
            "no share of the hour could be reserved for the workspaces of connection %s: %s", settings.conn_id, error
        )
    finally:
        ledger.close()
