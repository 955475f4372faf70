"""What scopes include, and what never gets through in plain sight."""

from __future__ import annotations

import pytest

from bitbucket_cloud.auth.scopes import expand, parse
from bitbucket_cloud.http.redaction import Redactor


@pytest.mark.parametrize(
    ("granted", "all_of_it"),
    [
        ({"pullrequest"}, {"pullrequest", "repository"}),
        ({"project"}, {"project", "repository"}),
        ({"repository:admin"}, {"repository:admin"}),
        ({"repository"}, {"repository"}),
        (
            {"pullrequest:write"},
            {"pullrequest:write", "pullrequest", "repository:write", "repository"},
        ),
        (set(), set()),
    ],
)
def test_scopes_include_what_bitbucket_says(granted: set[str], all_of_it: set[str]) -> None:
    assert expand(granted) == all_of_it


def test_scopes_are_read_with_commas_and_with_spaces() -> None:
    assert parse("pullrequest, account") == parse("account pullrequest") == {"pullrequest", "account"}
    assert parse("") == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.DEF-123",
        "authorization='Basic YWJjOmRlZg=='",
        "Bearer abc.DEF-123",
        '{"access_token": "abc.DEF-123"}',
        "refresh_token=abc.DEF-123&x=1",
        "client_secret: abc.DEF-123",
        "https://user:abc.DEF-123@example.org/x",
    ],
)
def test_what_looks_like_a_credential_is_masked(text: str) -> None:
    masked = Redactor()(text)
    assert "abc.DEF-123" not in masked and "YWJj" not in masked


def test_ordinary_sentences_stay_as_they_are() -> None:
    for text in ("No workspace with identifier 'acme'.", "Token is invalid, expired, or not supported."):
        assert Redactor()(text) == text


def test_notes_are_short_single_lines_of_plain_text() -> None:
    redactor = Redactor()
    redactor.add("topsecret")
    assert redactor.note("two\nlines\u202e and topsecret") == "two lines and ***"
    assert redactor.note("<html>page") == "" and redactor.note({"a": 1}) == ""
    assert len(redactor.note("word " * 500)) == 200
    assert "topsecret" not in repr(redactor)
