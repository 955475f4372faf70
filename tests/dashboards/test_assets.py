"""The dashboard's files: what they may say, and that the published views answer every query in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from bitbucket_compliance.commands.command_line import CommandError
from bitbucket_compliance.reporting.dashboards.login import ensure_login
from local.dashboard import require_reader
from local.superset import LOCK
from tests.conftest import Database

ASSETS = Path(__file__).resolve().parents[2] / "include/bitbucket_compliance/reporting/dashboards/assets"
FILES: dict[str, dict[str, Any]] = {
    path.relative_to(ASSETS).as_posix(): yaml.safe_load(path.read_text("utf-8")) for path in ASSETS.rglob("*.yaml")
}


def _of(kind: str) -> list[dict[str, Any]]:
    return [content for name, content in sorted(FILES.items()) if name.startswith(f"{kind}/")]


DATASETS = {dataset["table_name"]: dataset for dataset in _of("datasets")}
CHARTS = _of("charts")
DASHBOARD = _of("dashboards")[0]


@pytest.fixture
def reader(dsn: str) -> Any:
    with psycopg.connect(ensure_login(dsn, "reader-password"), autocommit=True) as connection:
        yield connection


def test_no_file_names_a_host_a_login_or_a_password() -> None:
    (database,) = _of("databases")
    assert database["sqlalchemy_uri"] == "postgresql+psycopg2://"
    secret = re.compile(r"password|@[a-z0-9-]+[.:]", re.IGNORECASE)
    assert not [name for name, content in FILES.items() if secret.search(str(content))]


def test_everything_stands_on_something_that_is_there() -> None:
    datasets = {dataset["uuid"] for dataset in DATASETS.values()}
    assert {chart["dataset_uuid"] for chart in CHARTS} == datasets
    shown = {part["meta"]["uuid"] for part in DASHBOARD["position"].values() if "uuid" in str(part) and "meta" in part}
    assert shown == {chart["uuid"] for chart in CHARTS}
    assert {dataset["database_uuid"] for dataset in DATASETS.values()} == {_of("databases")[0]["uuid"]}


@pytest.mark.parametrize("name", DATASETS)
def test_the_dashboards_login_may_run_each_query_and_gets_the_columns_it_lists(name: str, reader: Any) -> None:
    dataset = DATASETS[name]
    metrics = ", ".join(f"{metric['expression']} AS {metric['metric_name']}" for metric in dataset["metrics"])
    cursor = reader.execute(f"SELECT * FROM ({dataset['sql']}) AS dataset")  # noqa: S608 - our own
    assert {column.name for column in cursor.description} == {column["column_name"] for column in dataset["columns"]}
    cursor = reader.execute(f"SELECT {metrics} FROM ({dataset['sql']}) AS dataset")  # noqa: S608 - our own
    assert len(cursor.fetchall()) == 1


@pytest.mark.parametrize("name", DATASETS)
def test_each_query_reads_published_views_only(name: str) -> None:
    sources = re.findall(r"\b(?:FROM|JOIN)\s+([a-z_.]+)", re.sub(r"extract\(.*?\)", "", DATASETS[name]["sql"]))
    assert sources and {source.partition(".")[0] for source in sources} == {"compliance"}


def test_every_filter_reaches_a_column_of_every_dataset_in_its_scope() -> None:
    columns = {dataset["uuid"]: {c["column_name"] for c in dataset["columns"]} for dataset in DATASETS.values()}
    charts = {
        part["meta"]["chartId"]: next(c for c in CHARTS if c["uuid"] == part["meta"]["uuid"])
        for part in DASHBOARD["position"].values()
        if isinstance(part, dict) and part["type"] == "CHART"
    }
    filters = DASHBOARD["metadata"]["native_filter_configuration"]
    assert [each["name"] for each in filters] == ["Workspace", "Test", "Severity", "Project", "Days of the trends"]
    for each in filters:
        in_scope = [charts[number] for number in charts if number not in each["scope"]["excluded"]]
        column = each["targets"][0].get("column", {"name": "day"})["name"]
        assert in_scope and all(column in columns[chart["dataset_uuid"]] for chart in in_scope), each["name"]


def test_the_dashboards_login_reads_what_is_published_and_nothing_else(reader: Any) -> None:
    reader.execute("SELECT count(*) FROM compliance.current_results")
    reader.execute("SET default_transaction_read_only = off")
    for refused in (
        "SELECT * FROM compliance.results",
        "SELECT * FROM compliance.member_employment",
        "SELECT * FROM landing.objects",
        "SELECT * FROM registry.people",
        "SELECT * FROM integration.token_vault",
        "DELETE FROM compliance.result_history",
        "CREATE TABLE compliance.mine (a int)",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable)):
            reader.execute(refused)


def test_making_the_login_again_changes_its_password(dsn: str) -> None:
    first, second = ensure_login(dsn, "one"), ensure_login(dsn, "p@ss/w:rd ü")
    with psycopg.connect(second) as connection:
        assert connection.info.user == "compliance_dashboard"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first)


def test_a_login_that_could_change_results_is_refused(dsn: str) -> None:
    with pytest.raises(CommandError, match="may change results"):
        require_reader(dsn)
    require_reader(ensure_login(dsn, "reader-password"))


def test_a_login_that_cannot_read_or_an_address_nobody_answers_at_is_named(dsn: str, database: Database) -> None:
    reader = ensure_login(dsn, "reader-password")
    database.execute("REVOKE compliance_reader FROM compliance_dashboard")
    with pytest.raises(CommandError, match="may not read the results"):
        require_reader(reader)
    with pytest.raises(CommandError, match="no Postgres answers") as failure:
        require_reader("postgresql://someone:secret@127.0.0.1:1/compliance")
    assert "secret" not in str(failure.value)


def test_the_lock_is_complete_and_every_package_has_its_hash() -> None:
    packages = re.split(r"\n(?=[a-z])", LOCK.read_text("utf-8").partition("\n\n")[0])
    pinned = [package for package in packages if re.match(r"[a-z0-9._-]+(\[.+\])?==", package)]
    assert len(pinned) > 100
    assert all("--hash=sha256:" in package for package in pinned)
