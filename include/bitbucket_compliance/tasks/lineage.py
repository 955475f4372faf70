"""Which tables a step reads and writes, told to Airflow's lineage: the OpenLineage provider, if installed, sends it on.

Datasets are called as OpenLineage calls tables of Postgres: ``postgres://host:port`` and ``database.schema.table``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from bitbucket_compliance.resources.catalogue import RESOURCES

if TYPE_CHECKING:
    from bitbucket_compliance.core.database import Connection

log = logging.getLogger(__name__)

LANDING: Final = ("landing.calls", "landing.objects")
STAGING: Final = tuple(sorted({f"staging.{one.table}" for one in RESOURCES if one.table} | {"staging.coverage"}))
DECLARED: Final = ("registry.classification", "registry.evidence", "registry.people")
VERDICTS: Final = ("judged.verdicts",)
PUBLISHED: Final = tuple(
    f"compliance.{name}"
    for name in (
        "changes",
        "daily_observations",
        "finding_records",
        "leaver_records",
        "member_history",
        "members",
        "population_counts",
        "repositories",
        "repository_history",
        "result_history",
        "results",
        "stale_records",
    )
)


def tables_of(step: str, *, is_test: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tables that a step reads, and those that it writes.

    Args:
        is_test: the step judges by the security test of its name.
    """
    if is_test:
        return (*STAGING, *DECLARED), VERDICTS
    if step.startswith(("list_workspace", "read_repositories")):
        return (), LANDING
    return {
        "stage": (LANDING, STAGING),
        "gate staging": (STAGING, ()),
        "gate results": (VERDICTS, ()),
        "publish": ((*VERDICTS, *STAGING, *DECLARED), PUBLISHED),
    }.get(step, ((), ()))


def note(connection: Connection, step: str, *, is_test: bool = False) -> None:
    """Tell Airflow what a step has read and written. It never fails a step."""
    try:
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        address = {"host": connection.info.host, "port": connection.info.port, "database": connection.info.dbname}
        for tables, add in zip(
            tables_of(step, is_test=is_test), (collector.add_input_asset, collector.add_output_asset), strict=True
        ):
            for name in tables:
                _add(add, connection, address, name)
    except Exception as error:  # what collects lineage is another's code, and lineage is no part of a verdict
        log.warning("the lineage of step %s could not be noted: %s", step, error)


def _add(add: Any, connection: Connection, address: dict[str, Any], name: str) -> None:
    schema, table = name.split(".")
    add(connection, scheme="postgres", asset_kwargs={**address, "schema": schema, "table": table})
