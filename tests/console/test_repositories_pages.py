"""Repositories through the pages: looked for among ten thousand, classified one or many at once."""

from __future__ import annotations

import re

import pytest
from httpx import Response

from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import HOSTILE, WORKSPACE, Published, message, problem

_ROW = re.compile(r'<th scope="row" id="name-\d+">(.*?)(?:<br>.*?)?</th>')


@pytest.fixture
def world(database: Database) -> Published:
    return Published(database)


@pytest.fixture
def ada(open_console: OpenConsole) -> Console:
    return open_console("op", "ada")


def shown(console: Console, **query: object) -> list[str]:
    """The names on the page."""
    answer = console.get("/repositories", params={key: str(value) for key, value in query.items()})
    assert answer.status_code == 200, answer.text
    return [re.sub("<[^>]+>", "", name) for name in _ROW.findall(answer.text)]


def declare(console: Console, *ids: str, **fields: object) -> Response:
    given = {"of": "ticked", "repository": list(ids), **fields}
    return console.submit("/repositories/classify", given, on="/repositories")


def standing(world: Published) -> dict[str, tuple[str, str | None, str | None]]:
    rows = world.rows(
        "SELECT slug, classification, sensitivity, standing.owner FROM registry.repository_classification AS standing"
        " INNER JOIN staging.repositories USING (workspace, repository_id)"
    )
    return {row["slug"]: (row["classification"], row["sensitivity"], row["owner"]) for row in rows}


def entry(world: Published, target_type: str, target: str, classification: str = "production") -> None:
    """An entry as an import brings it, for every workspace."""
    world.rows(
        "INSERT INTO registry.classification (target_type, target, classification, declared_by)"
        " VALUES (%s, %s, %s, 'import') RETURNING 1",
        target_type,
        target,
        classification,
    )


def test_ten_thousand_repositories_are_filtered_sorted_and_cut_by_the_database(world: Published, ada: Console) -> None:
    world.many(10_000)
    entry(world, "pattern", "repo-000*", "non_production")
    first = ada.get("/repositories")
    assert (len(_ROW.findall(first.text)), "1–50 of 10,000" in first.text) == (50, True)
    assert len(first.content) < 150_000
    assert shown(ada, sort="-name")[:2] == ["repo-10000", "repo-09999"]
    assert shown(ada, page=200)[-1] == "repo-10000"
    assert shown(ada, page=201) == []
    assert shown(ada, search="0999")[:2] == ["repo-00999", "repo-09990"]
    assert shown(ada, project="P3", search="0001") == ["repo-00013"]
    assert shown(ada, classification="unclassified")[0] == "repo-00100"
    assert len(shown(ada, classification="non_production", page=2)) == 49
    assert shown(ada, sort="nonsense; DROP TABLE", search="repo-00001") == ["repo-00001"]
    assert shown(ada, search="%' OR true --") == []


def test_everything_that_the_filter_leaves_is_classified_at_once(world: Published, ada: Console) -> None:
    world.many(300)
    answer = declare(ada, of="all", project="P3", total=30, declare="production", declare_owner="Team  Pay")
    assert answer.status_code == 303, answer.text
    assert "Declared for 30 repositories" in message(ada.get("/repositories"))
    assert set(standing(world).values()) == {("production", None, "Team Pay")}
    assert len(standing(world)) == 30
    assert world.audited() == [("airflow:ada", "classification.declared")] * 30
    changed = declare(ada, of="all", project="P3", total=29, declare="non_production")
    assert "the filter now finds 30 repositories" in problem(changed)
    assert set(standing(world).values()) == {("production", None, "Team Pay")}


def test_one_is_classified_changed_and_taken_back(world: Published, ada: Console) -> None:
    pay, web = world.repository("pay"), world.repository("web")
    declare(ada, pay, declare="production", declare_sensitivity="confidential", declare_owner="olga")
    assert standing(world) == {"pay": ("production", "confidential", "olga")}
    assert "from the next run on" in ada.get("/repositories").text
    declare(ada, pay, declare_sensitivity="restricted")
    assert standing(world) == {"pay": ("production", "restricted", "olga")}
    declare(ada, pay, declare_sensitivity="none", declare_owner="-")
    assert standing(world) == {"pay": ("production", None, None)}
    declare(ada, pay, declare="production")
    assert "Nothing changed" in message(ada.get("/repositories"))
    assert "web is not classified yet" in problem(declare(ada, pay, web, declare_owner="olga"))
    declare(ada, pay, web, declare="take_back")
    told = message(ada.get("/repositories"))
    assert "Taken back for 1 repository; nothing was declared of the other 1 themselves" in told
    assert standing(world) == {}
    assert [action for _, action in world.audited()] == ["classification.declared"] * 3 + ["classification.withdrawn"]
    [last] = world.rows("SELECT subject, before, after FROM integration.console_audit ORDER BY audit_id DESC LIMIT 1")
    assert last["subject"] == f"repository {WORKSPACE}/pay"
    assert (last["before"]["classification"], last["after"]) == ("production", None)


def test_what_is_taken_back_falls_to_the_project_again(world: Published, ada: Console) -> None:
    pay = world.repository("pay")
    entry(world, "project", "core")
    assert "by project core" in ada.get("/repositories").text
    assert "comes from their project or from a pattern" in problem(declare(ada, pay, declare="take_back"))
    entry(world, "repository", "pay", "non_production")
    declare(ada, pay, declare="take_back")
    assert "1 stay classified by another entry" in message(ada.get("/repositories"))
    assert standing(world) == {"pay": ("production", None, None)}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "nothing is to change"),
        ({"declare": "secret"}, "classification 'secret' is unknown"),
        ({"declare": "production", "declare_sensitivity": "secret"}, "sensitivity 'secret' is unknown"),
        ({"declare": "production", "declare_owner": "x" * 201}, "the owner is no name"),
        ({"declare": "production", "repository": []}, "no repository was named"),
        ({"declare": "production", "repository": ["{elsewhere}"]}, "1 of 1 repositories are not in workspace acme"),
    ],
)
def test_what_can_not_be_declared_is_refused_and_stays_ticked(
    world: Published, ada: Console, fields: dict[str, object], reason: str
) -> None:
    pay = world.repository("pay")
    answer = declare(ada, pay, **fields)
    assert answer.status_code == 409
    assert reason in problem(answer)
    assert ("checked>" in answer.text.split("<fieldset")[0]) is ("repository" not in fields)
    assert world.rows("SELECT 1 FROM registry.classification UNION ALL SELECT 1 FROM integration.console_audit") == []


def test_hostile_names_are_escaped(world: Published, ada: Console) -> None:
    key = world.repository(HOSTILE, project=HOSTILE, name='"><img src=x>', default_branch=HOSTILE)
    declare(ada, key, declare="production", declare_owner=HOSTILE)
    for query in ({}, {"search": "script"}, {"search": HOSTILE}, {"project": HOSTILE}):
        text = ada.get("/repositories", params=query).text
        assert HOSTILE not in text
        assert "<img" not in text


def test_what_could_not_be_read_is_told_apart_from_no(world: Published, ada: Console) -> None:
    world.repository("dark", default_branch="main")
    world.repository("bare", default_branch="main", required_approvals=0, required_builds=0, push_restricted=False)
    text = ada.get("/repositories").text
    assert text.count("not readable") == 1
    assert "push restricted: no" in text


def test_forms_without_their_token_and_readers_change_nothing(
    world: Published, ada: Console, open_console: OpenConsole
) -> None:
    pay = world.repository("pay")
    fields = {"of": "ticked", "repository": [pay], "declare": "production"}
    assert ada.post("/repositories/classify", data=fields).status_code == 403
    viewer, nobody = open_console("viewer", "vic"), open_console(None)
    assert shown(viewer) == ["pay"]
    assert 'name="declare"' not in viewer.get("/repositories").text
    assert viewer.submit("/repositories/classify", fields, on="/repositories").status_code == 403
    assert nobody.get("/repositories").status_code == 401
    assert nobody.post("/repositories/classify").status_code == 401
    assert standing(world) == {}
