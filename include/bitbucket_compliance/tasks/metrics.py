"""Figures of ``compliance.operations`` as gauges of Airflow's own metrics (StatsD or OpenTelemetry), as it is set up.

Each is called ``bitbucket_compliance.<name>`` with the tag ``workspace``. Plain StatsD knows no tags: there the
workspace is a part of the name, ``bitbucket_compliance.<workspace>.<name>``.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bitbucket_compliance.core.database import Connection, run_sql

log = logging.getLogger(__name__)

PREFIX: Final = "bitbucket_compliance"
#: every gauge: its name, which is a column of ``tasks/operations.sql``
GAUGES: Final = (
    "requests_in_a_day",
    "requests_left",
    "requests_left_this_hour",
    "coverage",
    "verdicts",
    "undecided",
    "stale",
    "changed_in_last_run",
    "events_waiting",
    "oldest_event_age",
    "oldest_reading_age",
    "published_age",
    "alerts",
)
STEP_SECONDS: Final = "step_seconds"


def report(connection: Connection, workspace: str | None = None) -> None:
    """Send the figures of a workspace, or of all. What goes wrong is a warning: figures never fail a run."""
    try:
        rows = run_sql(connection, "tasks/operations.sql", {"workspace": workspace}).fetchall()
        connection.commit()
        for row in rows:
            for name, value, tags in _figures(row):
                _gauge(name, value, tags)
    except Exception as error:  # whatever a server of metrics does, the run goes on
        log.warning("figures could not be sent to Airflow's metrics: %s", error)


def _figures(row: Mapping[str, Any]) -> Iterator[tuple[str, float, dict[str, str]]]:
    """Name, value and tags of each figure that is known."""
    tags = {"workspace": row["workspace"]}
    for name in GAUGES:
        if row[name] is not None:
            yield name, float(row[name]), tags
    for step, seconds in (row[STEP_SECONDS] or {}).items():
        yield STEP_SECONDS, float(seconds), {**tags, "step": step}


def _gauge(name: str, value: float, tags: Mapping[str, str]) -> None:
    stats = _stats()
    if _knows_tags():
        stats.gauge(f"{PREFIX}.{name}", value, tags=dict(tags))
        return
    plain = [_part(tag) for tag in tags.values()]
    stats.gauge(".".join([PREFIX, plain[0], name, *plain[1:]]), value)


def _stats() -> Any:
    """What Airflow itself sends its gauges with."""
    try:
        return importlib.import_module("airflow.sdk.observability.stats")
    except ImportError:  # before Airflow 3.3
        return importlib.import_module("airflow.stats").Stats


def _knows_tags() -> bool:
    """Whether what Airflow sends figures to keeps tags."""
    from airflow.configuration import conf

    if not conf.getboolean("metrics", "statsd_on", fallback=False):
        return True
    return conf.getboolean("metrics", "statsd_datadog_enabled", fallback=False) or conf.getboolean(
        "metrics", "statsd_influxdb_enabled", fallback=False
    )


def _part(value: str) -> str:
    """A value as a part of a name: dots part names."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in value)
