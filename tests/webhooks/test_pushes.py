"""What the receiver keeps of pushes: changes of main branches, and of commits nothing but hashes."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from bitbucket_cloud.webhooks.events import DeliveryUnreadable, read_event
from tests.conftest import Database
from tests.receiving import REPOSITORY, Running, body_of, events, headers_of
from tests.webhooks.conftest import Deliver

ADA = "{aaaaaaaa-0000-4000-8000-000000000001}"
OLD, NEW = "0" * 40, "1" * 40
NOTHING_KEPT = "no push to a main branch, nothing is kept\n"


def change(branch: str = "main", old: str | None = OLD, new: str | None = NEW, **more: Any) -> dict[str, Any]:
    """A change of a branch; what is given as None isn't there."""
    kind = more.pop("type", "branch")
    ends = {
        name: {"type": kind, "name": branch, "target": {"hash": commit, "message": "a secret plan"}} if commit else None
        for name, commit in {"old": old, "new": new}.items()
    }
    return {**ends, "forced": False, "closed": new is None, "commits": [{"message": "a secret plan"}], **more}


def push(*changes: dict[str, Any], actor: Any = ("user", ADA), repository: str = REPOSITORY) -> bytes:
    who = {"type": actor[0], "uuid": actor[1], "display_name": "Ada Secret"} if actor else None
    return body_of(repository, push={"changes": list(changes)}, actor=who)


def kept(database: Database) -> list[dict[str, Any]]:
    return database.execute("SELECT * FROM integration.pushes ORDER BY push_id").fetchall()


@pytest.fixture
def known(database: Database) -> None:
    """The repository's main branch was seen."""
    database.execute(
        "INSERT INTO staging.repositories (workspace, repository_id, main_branch, data_as_of)"
        " VALUES ('acme', %s, 'main', now())",
        (REPOSITORY,),
    )


@pytest.mark.usefixtures("known")
def test_of_a_push_to_the_main_branch_hashes_are_kept_and_who_pushed(deliver: Deliver, database: Database) -> None:
    body = push(change(forced=True))
    assert deliver(body, X_Event_Key="repo:push").text == "taken in\n"
    (row,) = kept(database)
    assert (row["workspace"], row["repository_id"], row["old_hash"], row["new_hash"]) == ("acme", REPOSITORY, OLD, NEW)
    assert (row["forced"], row["removed"], row["pushed_by"], row["pushed_by_type"]) == (True, False, ADA, "user")
    assert [one["event_key"] for one in events(database)] == ["repo:push"]
    told = json.dumps([*kept(database), *events(database)], default=str)
    assert not any(word in told for word in ("secret", "Secret", '"main"'))
    assert deliver(body, X_Event_Key="repo:push").text == "known already\n"
    assert len(kept(database)) == 1


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("event_key", ["repo:push", "pullrequest:fulfilled"])
def test_of_pushes_to_other_branches_and_tags_nothing_is_kept(
    deliver: Deliver, database: Database, event_key: str
) -> None:
    """Whatever the event's key says, which is not signed."""
    for body in (push(change("feature/main")), push(change("Main")), push(change(type="tag")), push()):
        answer = deliver(body, X_Event_Key=event_key)
        assert (answer.status_code, answer.text) == (202, NOTHING_KEPT)
    assert (kept(database), events(database)) == ([], [])


def test_of_a_repository_that_was_never_listed_nothing_is_kept(deliver: Deliver, database: Database) -> None:
    assert deliver(push(change()), X_Event_Key="repo:push").text == NOTHING_KEPT
    assert (kept(database), events(database)) == ([], [])


@pytest.mark.usefixtures("known")
def test_of_several_changes_those_of_the_main_branch_are_kept_its_removal_too(
    deliver: Deliver, database: Database
) -> None:
    deliver(push(change("feature/a"), change(), change(new=None), change("b"), actor=None), X_Event_Key="repo:push")
    assert [(row["new_hash"], row["removed"], row["pushed_by"]) for row in kept(database)] == [
        (NEW, False, None),
        (None, True, None),
    ]


@pytest.mark.usefixtures("known")
def test_a_burst_of_pushes_to_feature_branches_delays_nothing_and_stores_nothing(
    receiver: Running, database: Database
) -> None:
    """10,000 within a minute, and among them one push to the main branch, which is taken in as ever."""

    def burst(branch: int) -> list[tuple[str, float]]:
        # a session a thread: an own connection for each request would measure the client
        with requests.Session() as session:
            answers = []
            for number in range(1250):
                body = push(change("main" if (branch, number) == (0, 600) else f"feature/{branch}-{number}"))
                answer = session.post(receiver.url, data=body, headers=headers_of(body), timeout=10)
                answers.append((answer.text, answer.elapsed.total_seconds()))
            return answers

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = [answer for answers in pool.map(burst, range(8)) for answer in answers]
    assert Counter(text for text, _ in answers) == {NOTHING_KEPT: 9999, "taken in\n": 1}
    assert max(seconds for _, seconds in answers) < 5
    assert time.monotonic() - began < 60
    assert (len(kept(database)), len(events(database))) == (1, 1)
    log = receiver.log.read_text()
    assert "feature/" not in log and log.count(REPOSITORY) == 1


@pytest.mark.parametrize("pushed", [None, {}, {"changes": None}, {"changes": [7]}])
def test_a_push_that_is_none_is_unreadable(pushed: Any) -> None:
    body = body_of(push=pushed)
    with pytest.raises(DeliveryUnreadable, match=r"push\.changes"):
        read_event({name.lower(): value for name, value in headers_of(body).items()}, body)
