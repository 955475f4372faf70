"""The search of the frame: what is found, where one exact hit leads, and what nobody finds."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote

import pytest

from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import HOSTILE, WORKSPACE, Published, identity


@pytest.fixture
def world(database: Database) -> Published:
    made = Published(database)
    made.repository("payments-core", "CORE", name="Payments-Core")
    for slug in ("payments-web", "100%_safe", "back\\slash"):
        made.repository(slug, "WEB", name=slug.title())
    made.member("Ann Smith", account_id="557058:ann", nickname="asmith")
    made.member(HOSTILE, account_id="557058:eve")
    database.execute(
        "INSERT INTO staging.member_emails (workspace, email, member_id, data_as_of)"
        " VALUES (%s, 'Ann.Smith@example.com', %s, now())",
        (WORKSPACE, identity("Ann Smith")),
    )
    return made


def found(console: Console, text: str) -> dict[str, list[str]]:
    """Names of what was found, by kind."""
    answer = console.get("/search", params={"q": text}, follow_redirects=False)
    assert answer.status_code == 200, answer.headers.get("location", answer.text)
    groups = re.findall(r'<h2 id="([a-z-]+)">.*?</h2>\s*<ul>(.*?)</ul>', answer.text, re.DOTALL)
    return {kind: [unescape(name) for name in re.findall(r"<li><a [^>]*>([^<]*)</a>", hits)] for kind, hits in groups}


def led_to(console: Console, text: str) -> str:
    answer = console.get("/search", params={"q": text}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    assert console.get(f"/{answer.headers['location'].removeprefix('./')}").status_code == 200
    return answer.headers["location"]


def test_a_part_of_a_name_finds_everything_that_is_called_so_by_kind(
    world: Published, open_console: OpenConsole
) -> None:
    viewer = open_console("viewer")
    assert found(viewer, "PAYments")["repositories"] == ["payments-core", "payments-web"]
    hits = found(viewer, "cor")
    assert (hits["repositories"], hits["projects"]) == (["payments-core"], ["CORE"])
    assert found(viewer, "smith") == {"members": ["Ann Smith"]}
    hits = found(viewer, "branch")
    assert {"tests", "reason-codes"} <= set(hits)
    assert found(viewer, "SOC 2")["controls"]
    assert found(viewer, "ru")["runs"] == ["run"]
    assert found(viewer, "nothing is called so") == {}
    assert found(viewer, "  ") == {}
    assert 'action="./search"' in viewer.get("/").text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("payments-core", f"./repositories/{quote(identity('payments-core'))}"),
        (identity("payments-core").strip("{}").upper(), f"./repositories/{quote(identity('payments-core'))}"),
        ("WEB", "./repositories?project=WEB"),
        ("ann smith", f"./members/{quote(identity('Ann Smith'))}"),
        ("557058:ann", f"./members/{quote(identity('Ann Smith'))}"),
        ("branch_protection_enforced", "./tests/branch_protection_enforced"),
        ("run", "./runs/run"),
    ],
)
def test_what_is_called_exactly_so_is_gone_to_at_once(
    world: Published, open_console: OpenConsole, text: str, path: str
) -> None:
    assert led_to(open_console("viewer"), text) == path


def test_an_address_finds_its_member_for_whoever_may_decide_and_as_a_whole_alone(
    world: Published, open_console: OpenConsole
) -> None:
    assert led_to(open_console("op"), "ann.smith@EXAMPLE.com").endswith(quote(identity("Ann Smith")))
    assert found(open_console("op"), "smith@example") == {}
    assert found(open_console("viewer"), "ann.smith@example.com") == {}


def test_no_character_means_anything_but_itself(world: Published, open_console: OpenConsole) -> None:
    viewer = open_console("viewer")
    assert found(viewer, "%_") == found(viewer, "%") == {"repositories": ["100%_safe"]}
    assert found(viewer, "k\\s") == {"repositories": ["back\\slash"]}
    assert found(viewer, "<script")["members"] == [HOSTILE]
    assert HOSTILE not in viewer.get("/search", params={"q": "<script"}).text
    for strange in ("x" * 5000, "\0", "'; --", "{}", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")):
        assert viewer.get("/search", params={"q": strange}).status_code == 200
    assert viewer.get("/search?q=%FF%00").status_code == 200


def test_other_workspaces_are_not_searched_and_the_rest_is_counted(world: Published, open_console: OpenConsole) -> None:
    for table in ("staging", "compliance"):
        world.database.execute(
            f"UPDATE {table}.repositories SET workspace = 'beta' WHERE slug = 'payments-web'"  # type: ignore[arg-type]  # noqa: S608
        )
    world.many(30)
    viewer = open_console("viewer")
    assert found(viewer, "payments") == {"repositories": ["payments-core"]}
    assert found(viewer, "repo-")["repositories"] == [f"repo-{number:05}" for number in range(1, 11)]
    assert "20 more" in viewer.get("/search?q=repo-").text
    assert open_console(None).get("/search?q=repo-").status_code == 401
