"""Every list can be taken along as CSV, without a page's limit, by whoever may read the list."""

from __future__ import annotations

import csv
import io

import pytest

from tests.conftest import Database
from tests.console.conftest import OpenConsole
from tests.console.world import Published


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("/repositories?", "slug"),
        ("/tests/branch_protection_enforced?", "subject_name"),
        ("/runs?", "run_id"),
        ("/findings?", "subject_name"),
        ("/evidence?", ""),
        ("/exceptions?", ""),
        ("/audit?", ""),
    ],
)
def test_a_list_is_there_as_csv(open_console: OpenConsole, database: Database, path: str, column: str) -> None:
    world = Published(database)
    world.many(60)
    database.execute(
        "INSERT INTO compliance.tests (test_id, test_title, severity, subject_type, display_order, enabled, manual)"
        " SELECT 'branch_protection_enforced', 'Protected', 'high', 'repository', 1, true, false"
        " WHERE NOT EXISTS (SELECT 1 FROM compliance.tests WHERE test_id = 'branch_protection_enforced')"
    )
    world.repository("=SUM(1+1)")
    answer = open_console("viewer").get(f"{path}format=csv&page=2")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(answer.text)))
    if path == "/repositories?":
        assert len(table) == 61
        assert "'=SUM(1+1)" in [row[column] for row in table], "a spreadsheet takes it for no formula"
    if column and path not in ("/repositories?", "/findings?"):
        assert table and column in table[0]
