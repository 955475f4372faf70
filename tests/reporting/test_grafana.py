"""What stands ready for Grafana and Prometheus works on the database, and names what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.rows import dict_row

from bitbucket_compliance.tasks import metrics, operations_alerts
from bitbucket_compliance.tasks.metrics import GAUGES, STEP_SECONDS
from tests.conftest import ROOT, Database
from tests.harness import Pipeline
from tests.pipeline.small import ACME

FOLDER = ROOT / "include/bitbucket_compliance/reporting/grafana"


@pytest.fixture
def reader(news: Pipeline) -> Iterator[Database]:
    """The published schema of a workspace with two runs, as the reader sees it."""
    with psycopg.connect(news.dsn, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET ROLE compliance_reader")
        yield connection


def as_grafana_sends(query: str) -> str:
    query = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN now() - interval '7 days' AND now()", query)
    return query.replace("$workspace", f"'{ACME}'")


def test_every_query_of_the_dashboard_answers_the_reader(reader: Database) -> None:
    dashboard = json.loads((FOLDER / "dashboards/operations.json").read_text())
    [variable] = dashboard["templating"]["list"]
    assert reader.execute(variable["query"]).fetchall() == [{"workspace": ACME}]
    empty = {"What to look at", "Runs that did not publish"}
    for panel in dashboard["panels"]:
        [target] = panel["targets"]
        rows = reader.execute(as_grafana_sends(target["rawSql"])).fetchall()
        assert bool(rows) is (panel["title"] not in empty), panel["title"]
        if target["format"] == "time_series":
            assert set(rows[0]) == {"time", "metric", "value"}, panel["title"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_grafana_has_a_rule_for_each_alert_that_counts_it(news: Pipeline, reader: Database) -> None:
    [group] = yaml.safe_load((FOLDER / "alert_rules.yaml").read_text())["groups"]
    queries = {rule["title"]: rule["data"][0]["model"]["rawSql"] for rule in group["rules"]}
    view = (ROOT / "include/bitbucket_compliance/database/views/compliance/alerts.sql").read_text()
    hints = dict(re.findall(r"^        '([a-z_]+)',\n        '([^']+)',", view, re.MULTILINE))
    assert {title: re.findall(r"alert = '(\w+)'", query) for title, query in queries.items()} == {
        title: [alert] for alert, title in hints.items()
    }
    assert [reader.execute(query).fetchall() for query in queries.values()] == [[]] * len(hints)
    with psycopg.connect(news.dsn) as connection:
        connection.execute("UPDATE compliance.results SET fresh_until = now() - interval '1 minute'")
    assert reader.execute(queries["Verdicts are late"]).fetchall() == [{"about": ACME, "alerts": 1}]
    uid = yaml.safe_load((FOLDER / "datasource.yaml").read_text())["datasources"][0]["uid"]
    assert {rule["data"][0]["datasourceUid"] for rule in group["rules"]} == {uid}


def test_prometheus_rules_name_gauges_and_sections_that_there_are() -> None:
    [group] = yaml.safe_load((FOLDER / "prometheus_rules.yaml").read_text())["groups"]
    named = {
        name for rule in group["rules"] for name in re.findall(r"airflow_bitbucket_compliance_(\w+)", rule["expr"])
    }
    assert named and named <= set(GAUGES)
    headings = [
        line.lstrip("# ") for line in (ROOT / "docs/operations.md").read_text().splitlines() if line[:2] == "##"
    ]
    anchors = {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}
    assert {rule["annotations"]["runbook"].partition("#")[2] for rule in group["rules"]} <= anchors


def test_prometheus_tells_of_what_is_wrong_and_of_nothing_else() -> None:
    """Figures that come every quarter of an hour, as a run of ``promtool`` sees them (Debian: package prometheus)."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    told = subprocess.run(
        [promtool, "test", "rules", str(Path(__file__).with_name("prometheus_rules.yaml"))],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr + told.stdout


def test_each_figure_is_looked_for_until_the_next_one_comes_and_no_longer() -> None:
    """Between two of them lie fifteen minutes; by itself Prometheus takes a figure for gone after five."""
    [group] = yaml.safe_load((FOLDER / "prometheus_rules.yaml").read_text())["groups"]
    for rule in group["rules"]:
        figures = re.findall(r"(\w+)\(airflow_\w+\[(\w+)\]\)", rule["expr"])
        assert len(figures) == rule["expr"].count("airflow_"), rule["alert"]
        assert set(figures) <= {("last_over_time", "20m"), ("absent_over_time", "1h")}, rule["alert"]
    mappings = yaml.safe_load((FOLDER / "statsd_mapping.yaml").read_text())["mappings"]
    assert {one["ttl"] for one in mappings} == {"20m"}, "else an old figure hides that Airflow stands still"


class Recorder:
    """In the place of what sends figures: keeps them."""

    def __init__(self) -> None:
        self.gauges: dict[tuple[str, str], float] = {}
        self.is_down = False

    def gauge(self, stat: str, value: float, *_: Any, tags: dict[str, str] | None = None, **__: Any) -> None:
        if self.is_down:
            raise OSError("nobody listens")
        self.gauges[stat, "/".join((tags or {}).values())] = value


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    from airflow.sdk.observability import stats

    recorder = Recorder()
    monkeypatch.setattr(stats, "gauge", recorder.gauge)
    return recorder


def test_the_figures_of_a_workspace_go_to_airflows_metrics(
    news: Pipeline, reader: Database, sent: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPLIANCE_NOTIFY_CONN_ID", raising=False)
    operations_alerts.tell()
    [row] = reader.execute("SELECT * FROM compliance.operations").fetchall()
    for name in ("coverage", "undecided", "requests_in_a_day", "changed_in_last_run", "events_waiting"):
        assert sent.gauges[f"bitbucket_compliance.{name}", ACME] == float(row[name])
    assert sent.gauges["bitbucket_compliance.oldest_reading_age", ACME] > 0
    assert sent.gauges[f"bitbucket_compliance.{STEP_SECONDS}", f"{ACME}/publish"] == row["step_seconds"]["publish"]
    with psycopg.connect(news.dsn) as connection:
        [(spent,)] = connection.execute("SELECT sum(requests) FROM integration.request_ledger").fetchall()
    assert spent > 0
    assert sent.gauges["bitbucket_compliance.requests_left_this_hour", ACME] == row["requests_per_hour"] - spent
    with psycopg.connect(news.dsn) as connection:
        connection.execute("DELETE FROM integration.request_shares")
    sent.gauges.clear()
    operations_alerts.tell()
    assert ("bitbucket_compliance.coverage", ACME) in sent.gauges
    assert ("bitbucket_compliance.requests_left_this_hour", ACME) not in sent.gauges, "what is not known is not 0"
    # No event waits: its age is not known, and none is sent.
    assert ("bitbucket_compliance.oldest_event_age", ACME) not in sent.gauges


def test_plain_statsd_has_the_workspace_in_the_name(
    news: Pipeline, sent: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    monkeypatch.delenv("COMPLIANCE_NOTIFY_CONN_ID", raising=False)
    operations_alerts.tell()
    assert sent.gauges[f"bitbucket_compliance.{ACME}.coverage", ""] == 100
    assert (f"bitbucket_compliance.{ACME}.{STEP_SECONDS}.publish", "") in sent.gauges
    mappings = yaml.safe_load((FOLDER / "statsd_mapping.yaml").read_text())["mappings"]
    for name, _ in sent.gauges:
        found = [one for one in mappings if matches(one["match"], f"airflow.{name}")]
        assert found, name


def matches(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern.replace(".", r"\.").replace("*", "([^.]*)"), name) is not None


def test_figures_that_nobody_takes_fail_nothing(
    news: Pipeline, sent: Recorder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPLIANCE_NOTIFY_CONN_ID", raising=False)
    sent.is_down = True
    with caplog.at_level("WARNING", metrics.log.name):
        operations_alerts.tell()
    assert "figures could not be sent to Airflow's metrics: nobody listens" in caplog.text
