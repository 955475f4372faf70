"""Rules of the SCIM roster: a directory is read whole or not at all, and its token stays where it belongs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bitbucket_compliance.core.errors import PipelineError, SourceUnavailable, SourceWrong
from bitbucket_compliance.registry.imports import scim
from bitbucket_compliance.registry.imports.scim import User, directory_of, read_users
from tests.registry.directory import TOKEN, Directory, serve

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"

Read = Callable[..., list[User]]


@pytest.fixture(autouse=True)
def _token_is_never_logged(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.DEBUG)
    yield
    assert TOKEN not in caplog.text


@pytest.fixture
def directory() -> Iterator[Directory]:
    made = Directory()
    with serve(made):
        yield made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, directory: Directory) -> Read:
    """Reads the directory through an Airflow connection; keywords change fields and extras."""
    monkeypatch.setattr(scim, "BACKOFF", 0.01)

    def now(*, fields: Any = None, **extra: Any) -> list[User]:
        connection = {
            "conn_type": "http",
            "host": f"{directory.url}/scim/v2/",
            "password": TOKEN,
            "extra": extra,
            **(fields or {}),
        }
        monkeypatch.setenv("AIRFLOW_CONN_IDP", json.dumps(connection))
        return read_users(directory_of("idp")).users

    return now


def refused(read: Read, kind: type[PipelineError], **how: Any) -> str:
    """The message of a directory that can't be read: one line without the token."""
    with pytest.raises(kind) as error:
        read(**how)
    message = str(error.value)
    assert "\n" not in message
    assert TOKEN not in message
    assert error.value.__cause__ is None, "what lies below may carry what was sent"
    return message


# --------------------------------------------------------------------- paging


@pytest.mark.parametrize(("people", "requests"), [(0, 1), (1, 2), (99, 2), (100, 2), (101, 2), (200, 3), (250, 3)])
def test_every_user_is_read_page_by_page_and_none_is_behind_the_last(
    read: Read, directory: Directory, people: int, requests: int
) -> None:
    for number in range(people):
        directory.person(number)
    assert [user.text("userName") for user in read()] == [user["userName"] for user in directory.users]
    assert len(directory.seen) == requests
    assert directory.seen[0][0] == "/scim/v2/Users?startIndex=1&count=100"


def test_a_server_that_gives_less_than_asked_for_is_followed_to_the_end(read: Read, directory: Directory) -> None:
    for number in range(10):
        directory.person(number)
    directory.most = 3
    assert len(read()) == 10
    assert [target.partition("?")[2] for target, _ in directory.seen] == [
        f"startIndex={start}&count=100" for start in (1, 4, 7, 10)
    ]


def test_a_listing_that_ends_short_of_its_total_is_refused(read: Read, directory: Directory) -> None:
    for number in range(5):
        directory.person(number)
    whole = directory.page(1, 100)[1]
    directory.answer = lambda start, count: (
        200,
        {**whole, "Resources": whole["Resources"][:3] if start == 1 else []},
        {},
    )
    assert "brought 3 users of 5" in refused(read, SourceUnavailable)


def test_a_server_that_pages_in_circles_is_refused(read: Read, directory: Directory) -> None:
    for number in range(150):
        directory.person(number)
    directory.answer = lambda start, count: directory.page(1, count)
    assert "twice" in refused(read, SourceUnavailable)


def test_more_users_than_the_total_are_refused(read: Read, directory: Directory) -> None:
    for number in range(3):
        directory.person(number)
    whole = directory.page(1, 100)[1]
    directory.answer = lambda start, count: (200, {**whole, "totalResults": 2}, {})
    refused(read, SourceUnavailable)


def lying(directory: Directory, shown: int, *, honours_start: bool) -> None:
    """The directory states what stands on the page as its total."""

    def answer(start: int, count: int) -> Any:
        page = directory.page(start if honours_start else 1, shown)[1]
        return 200, {**page, "totalResults": len(page["Resources"])}, {}

    directory.answer = answer


@pytest.mark.parametrize(("people", "shown"), [(54, 50), (54, 47), (104, 100), (54, 20), (17, 16), (4, 3)])
def test_a_directory_that_states_fewer_than_it_has_is_not_believed(
    read: Read, directory: Directory, people: int, shown: int
) -> None:
    for number in range(people):
        directory.person(number)
    lying(directory, shown, honours_start=True)
    assert "half a directory" in refused(read, SourceUnavailable)


@pytest.mark.parametrize("shown", [10, 15, 16, 20, 32, 50, 64, 100, 200])
def test_a_full_page_that_is_sent_whatever_is_asked_for_is_no_directory(
    read: Read, directory: Directory, shown: int
) -> None:
    for number in range(shown + 4):
        directory.person(number)
    lying(directory, shown, honours_start=False)
    assert "half a directory" in refused(read, SourceUnavailable)


@pytest.mark.parametrize("behind", [(500, b"", {}), (200, b"<html>", {}), None])
def test_where_nothing_shows_that_these_are_all_it_is_in_doubt(
    read: Read, directory: Directory, behind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        directory.person(number)
    directory.answer = lambda start, count: directory.page(1, count) if start == 1 or behind is None else behind
    read()
    listed = read_users(directory_of("idp"))
    assert len(listed.users) == 4
    assert "it states 4 users" in listed.doubt


@pytest.mark.parametrize("status", [400, 404])
def test_a_directory_that_knows_no_such_place_has_ended(read: Read, directory: Directory, status: int) -> None:
    for number in range(50):
        directory.person(number)
    directory.answer = lambda start, count: directory.page(1, count) if start == 1 else (status, {}, {})
    read()
    assert read_users(directory_of("idp")).doubt == ""


# -------------------------------------------------------------------- answers


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_told_at_once(read: Read, directory: Directory, status: int) -> None:
    directory.faults = [(status, {"detail": f"no {TOKEN}"}, {})]
    message = refused(read, SourceWrong)
    assert str(status) in message and "idp" in message
    assert len(directory.seen) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_limits_and_server_errors_are_tried_again(read: Read, directory: Directory, status: int) -> None:
    directory.person(1)
    directory.faults = [(status, b"<html>", {"Retry-After": "0"}), (status, b"", {})]
    assert len(read()) == 1
    assert len(directory.seen) == 4


def test_a_server_that_stays_broken_is_given_up_on(read: Read, directory: Directory) -> None:
    directory.faults = [(502, b"", {})] * 9
    assert "502" in refused(read, SourceUnavailable)
    assert len(directory.seen) == scim.TRIES


def test_a_server_can_not_make_the_task_wait_for_hours(
    read: Read, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scim, "LONGEST_WAIT", 0.01)
    directory.faults = [(429, b"", {"Retry-After": "86400"})]
    assert read() == []


@pytest.mark.parametrize(
    "body",
    [
        b"<html>sign in</html>",
        b"",
        [],
        {},
        {"totalResults": "2", "Resources": []},
        {"totalResults": True, "Resources": []},
        {"totalResults": 1, "Resources": {}},
        {"totalResults": 1, "Resources": ["ada"]},
        {"totalResults": 1, "Resources": [{"userName": "ada"}]},
    ],
)
def test_what_is_no_list_of_users_is_refused(read: Read, directory: Directory, body: Any) -> None:
    directory.answer = lambda start, count: (200, body, {})
    assert "check the base address" in refused(read, SourceWrong)


def test_a_missing_page_is_no_empty_directory(read: Read, directory: Directory) -> None:
    directory.answer = lambda start, count: (404, {}, {})
    assert "404" in refused(read, SourceWrong)


def test_nobody_at_the_address_is_told_without_the_address_of_a_proxy(read: Read) -> None:
    message = refused(read, SourceUnavailable, fields={"host": "http://127.0.0.1:1/scim"})
    assert "ConnectionError" in message


# ---------------------------------------------------------------------- token


def test_a_redirect_to_another_host_is_not_followed(read: Read, directory: Directory) -> None:
    elsewhere = Directory()
    with serve(elsewhere):
        target = elsewhere.url.replace("127.0.0.1", "localhost")
        directory.faults = [(302, b"", {"Location": f"{target}/scim/v2/Users"})]
        assert "localhost" in refused(read, SourceWrong)
    assert elsewhere.seen == []


def test_a_redirect_on_the_same_host_is_followed(read: Read, directory: Directory) -> None:
    directory.person(1)
    directory.faults = [(307, b"", {"Location": "/scim/v2/Users/?startIndex=1&count=100"})]
    assert len(read()) == 1


def test_redirects_in_a_circle_end(read: Read, directory: Directory) -> None:
    directory.faults = [(302, b"", {"Location": "/scim/v2/Users?startIndex=1&count=100"})] * 9
    assert "302" in refused(read, SourceWrong)


def test_a_netrc_does_not_take_the_tokens_place(
    read: Read, directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    read()
    assert directory.seen[0][1]["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"host": ""}, "host"),
        ({"host": "http://directory.example.com/scim"}, "https"),
        ({"host": "ftp://directory.example.com"}, "host"),
        ({"host": "https://ada:secret@directory.example.com"}, "host"),
        ({"host": "https://directory.example.com/scim?x=1"}, "host"),
        ({"password": ""}, "password"),
        ({"password": "two words"}, "password"),
        ({"extra": {"timeout": "soon"}}, "timeout"),
        ({"extra": {"end_date_attribute": 5}}, "end_date_attribute"),
        ({"extra": "[]"}, "extra"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(read: Read, fields: dict[str, Any], named: str) -> None:
    message = refused(read, SourceWrong, fields=fields)
    assert "idp" in message and named in message
    assert "secret" not in message


def test_an_address_may_be_given_in_parts(read: Read, directory: Directory) -> None:
    port = int(directory.url.rpartition(":")[2])
    directory.person(1)
    assert len(read(fields={"host": "127.0.0.1/scim/v2", "schema": "http", "port": port})) == 1
    assert directory.seen[0][0].startswith("/scim/v2/Users?")


def test_a_connection_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceWrong, match="scim:nowhere: no such Airflow connection"):
        directory_of("nowhere")


# ----------------------------------------------------------------------- users


@pytest.mark.parametrize(
    ("resource", "emails"),
    [
        (
            {"emails": [{"value": "a@x.io"}, {"value": "b@x.io", "primary": True}], "userName": "u@x.io"},
            ["b@x.io", "a@x.io", "u@x.io"],
        ),
        ({"emails": [{"value": "a@x.io"}, {"value": "A@x.io", "type": "work"}]}, ["a@x.io"]),
        ({"emails": [{"value": ""}, {"value": " b@x.io "}]}, ["b@x.io"]),
        ({"emails": ["a@x.io", {"value": "b@x.io"}, 5, None]}, ["a@x.io", "b@x.io"]),
        ({"emails": [], "userName": "u@x.io"}, ["u@x.io"]),
        ({"userName": "ada"}, []),
        ({"emails": "a@x.io", "userName": "ada"}, ["a@x.io"]),
        ({"Emails": [{"Value": "a@x.io"}]}, ["a@x.io"]),
    ],
)
def test_every_address_is_the_persons_the_primary_one_first(resource: dict[str, Any], emails: list[str]) -> None:
    assert User(resource).emails == emails


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ({"displayName": "Ada L.", "name": {"formatted": "Ms. Ada"}}, "Ada L."),
        ({"name": {"formatted": "Ms. Ada", "givenName": "Ada"}}, "Ms. Ada"),
        ({"name": {"givenName": "Ada", "familyName": "Lovelace"}}, "Ada Lovelace"),
        ({"name": {"familyName": "Lovelace"}, "userName": "ada@x.io"}, "Lovelace"),
        ({"userName": "ada"}, "ada"),
        ({"userName": "ada@x.io"}, ""),
        ({"displayName": " ", "userName": "ada"}, "ada"),
    ],
)
def test_the_name_is_what_people_see(resource: dict[str, Any], name: str) -> None:
    assert User(resource).name == name


@pytest.mark.parametrize(
    ("value", "active"), [(True, True), (False, False), ("False", False), ("true", True), (None, None), (1, None)]
)
def test_whether_an_account_is_active_is_never_guessed(value: object, active: bool | None) -> None:
    assert User({"active": value}).active is active
    assert User({}).active is None


def test_an_attribute_of_an_extension_is_found_by_its_full_name() -> None:
    user = User({ENTERPRISE: {"endDate": "2026-03-31", "manager": {"value": "m"}}, "externalId": "x"})
    assert user.text(f"{ENTERPRISE}:endDate") == "2026-03-31"
    assert user.text(f"{ENTERPRISE.lower()}:ENDDATE") == "2026-03-31"
    assert user.text(f"{ENTERPRISE}:manager.value") == "m"
    assert user.text("externalid") == "x"
    assert user.text(f"{ENTERPRISE}:nothing") == ""
