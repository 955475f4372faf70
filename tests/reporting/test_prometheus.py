"""Figures on their whole way: Airflow's StatsD client, statsd_exporter with our mapping, Prometheus with our rules."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
import requests
import yaml

from bitbucket_compliance.tasks import operations_alerts
from bitbucket_compliance.tasks.metrics import GAUGES, STEP_SECONDS
from local.processes import end, free_port
from tests.harness import Pipeline
from tests.pipeline.small import ACME
from tests.reporting.test_grafana import FOLDER

# Airflow leaves the socket of its StatsD client to the end of the process.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)

PREFIX = "airflow_bitbucket_compliance_"
#: of the copies that are tried here: in place of minutes
SHORT = "5s"
#: What makes each alert true of the workspace.
WRONG = (
    "UPDATE compliance.results SET fresh_until = now() - interval '1 minute'",
    "DELETE FROM staging.coverage",
    "UPDATE integration.runs SET started_at = started_at - interval '30 hours',"
    " finished_at = finished_at - interval '30 hours'",
    "INSERT INTO integration.webhook_events (received_at, conn_id, workspace, hook_id, event_key, request_id,"
    " body_hash) VALUES (now() - interval '2 hours', 'bitbucket_default', 'acme', 'h', 'repo:push', 'r', 'b')",
)
Known = TypeVar("Known")


def until(ask: Callable[[], Known], seconds: float = 20) -> Known:
    """What is answered as soon as it is something."""
    deadline = time.monotonic() + seconds
    while not (known := ask()):
        assert time.monotonic() < deadline, f"nothing came in {seconds:g} s: {known}"
        time.sleep(0.2)
    return known


@contextmanager
def running(arguments: list[str], url: str, log: Path) -> Iterator[None]:
    """A program that serves at the address."""

    def is_up() -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(url, timeout=2).ok
        assert process.poll() is None, log.read_text()[-2000:]
        return False

    with log.open("wb") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=output, start_new_session=True)
    try:
        until(is_up)
        yield
    finally:
        end(process.pid)
        process.wait()


@dataclass(frozen=True)
class Watched:
    """The two at work."""

    statsd_port: int
    exporter: str
    prometheus: str

    def exported(self) -> set[str]:
        """Our gauges as the exporter has them now."""
        text = requests.get(f"{self.exporter}/metrics", timeout=5).text
        return {line.partition("{")[0] for line in text.splitlines() if line.startswith(PREFIX)}

    def answer(self, path: str, **parameters: str) -> Any:
        """What Prometheus' API says."""
        answer = requests.get(f"{self.prometheus}/api/v1/{path}", params=parameters, timeout=5).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def figures(self) -> dict[tuple[str, str], float]:
        """Our gauges by name and step, as Prometheus has them of the workspace."""
        found = self.answer("query", query=f'{{__name__=~"{PREFIX}.*", workspace="{ACME}"}}')["result"]
        return {
            (one["metric"]["__name__"].removeprefix(PREFIX), one["metric"].get("step", "")): float(one["value"][1])
            for one in found
        }

    def firing(self) -> dict[str, str]:
        """Which alerts fire, and what each says."""
        alerts = [one for one in self.answer("alerts")["alerts"] if one["state"] == "firing"]
        return {one["labels"]["alertname"]: one["annotations"]["summary"] for one in alerts}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Both programs with our files, but for times: minutes are seconds there."""
    pytest.importorskip("statsd")
    prometheus = shutil.which("prometheus")
    exporter = shutil.which("statsd_exporter") or shutil.which("prometheus-statsd-exporter")
    if not (prometheus and exporter):
        pytest.skip("prometheus (Debian's package) or statsd_exporter (of the Prometheus project) is not installed")
    statsd_port, web, port = free_port(), free_port(), free_port()
    mapping = yaml.safe_load((FOLDER / "statsd_mapping.yaml").read_text())
    for one in mapping["mappings"]:
        one["ttl"] = SHORT
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(mapping))
    rules = yaml.safe_load((FOLDER / "prometheus_rules.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule.pop("for", None)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "airflow", "static_configs": [{"targets": [f"127.0.0.1:{web}"]}]}],
    }
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(settings))
    made = Watched(statsd_port, f"http://127.0.0.1:{web}", f"http://127.0.0.1:{port}")
    with ExitStack() as stack:
        command = [
            exporter, f"--statsd.listen-udp=127.0.0.1:{statsd_port}", "--statsd.listen-tcp=",
            f"--web.listen-address=127.0.0.1:{web}", f"--statsd.mapping-config={tmp_path / 'mapping.yaml'}",
        ]  # fmt: skip
        stack.enter_context(running(command, f"{made.exporter}/metrics", tmp_path / "exporter.log"))
        command = [
            prometheus, f"--config.file={tmp_path / 'prometheus.yaml'}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        stack.enter_context(running(command, f"{made.prometheus}/-/ready", tmp_path / "prometheus.log"))
        yield made


def send_figures(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """As the task of operations_alerts does, through Airflow's own StatsD client, as a task of Airflow's sets it up."""
    stats = pytest.importorskip("airflow.sdk.observability.stats", reason="Airflow before 3.3")
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(port))
    monkeypatch.delenv("COMPLIANCE_NOTIFY_CONN_ID", raising=False)
    stats.initialize(factory=get_stats_factory(), export_legacy_names=True)
    try:
        operations_alerts.tell()
    finally:
        monkeypatch.delenv("AIRFLOW__METRICS__STATSD_ON")
        stats.initialize(factory=get_stats_factory(), export_legacy_names=True)


def operations(pipeline: Pipeline) -> dict[str, Any]:
    [row] = pipeline.query("SELECT * FROM compliance.operations")
    return row


def test_airflows_statsd_client_sends_names_that_it_allows_itself(
    news: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("statsd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        send_figures(monkeypatch, listening.getsockname()[1])
        listening.settimeout(0.5)
        lines = []
        with suppress(TimeoutError):
            while True:
                lines.append(listening.recv(2000).decode())
    row = operations(news)
    assert f"airflow.bitbucket_compliance.{ACME}.coverage:100.0|g" in lines
    sent = {line.partition(":")[0] for line in lines}
    assert {
        f"airflow.bitbucket_compliance.{ACME}.{STEP_SECONDS}.{step.replace(' ', '_')}" for step in row["step_seconds"]
    } <= sent
    known = set(GAUGES) - {"oldest_event_age"}
    assert {f"airflow.bitbucket_compliance.{ACME}.{name}" for name in known} <= sent


def test_prometheus_has_every_figure_with_its_labels_and_every_rule_fires_when_it_should(
    news: Pipeline, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing was ever sent: that alone is told.
    assert set(until(watched.firing)) == {"ComplianceSilent"}
    send_figures(monkeypatch, watched.statsd_port)
    figures = until(watched.figures)
    row = operations(news)
    assert figures["coverage", ""] == 100
    assert {name for name, _ in figures} == (set(GAUGES) - {"oldest_event_age"}) | {STEP_SECONDS}
    assert {step: value for (name, step), value in figures.items() if step} == pytest.approx(
        {step.replace(" ", "_"): seconds for step, seconds in row["step_seconds"].items()}
    )
    until(lambda: not watched.firing())
    with psycopg.connect(news.dsn) as connection:
        for statement in WRONG:
            connection.execute(statement)
    send_figures(monkeypatch, watched.statsd_port)
    until(lambda: len(watched.firing()) == 5)
    told = watched.firing()
    assert told["ComplianceNotPublished"] == f"No whole run of {ACME} has published for 26 hours"
    assert told["ComplianceLate"].endswith(f" verdicts of {ACME} are older than the policy allows")
    assert told["ComplianceNotCovered"] == f"0 per cent of the repositories of {ACME} could be read whole"
    assert set(told) - {"ComplianceNotPublished", "ComplianceLate", "ComplianceNotCovered"} == {
        "ComplianceEventsStuck",
        "ComplianceAlert",
    }
    [group] = watched.answer("rules")["groups"]
    assert {(rule["name"], rule["health"], rule.get("lastError")) for rule in group["rules"]} == {
        (rule["name"], "ok", None) for rule in group["rules"]
    }
    assert len(group["rules"]) == 6
    # What is not sent again is forgotten, so that Prometheus finds out that Airflow stands still.
    until(lambda: not watched.exported())
