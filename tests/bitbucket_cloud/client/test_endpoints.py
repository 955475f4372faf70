"""The client reaches the table of endpoints and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_cloud import errors
from bitbucket_cloud.client.endpoints import ENDPOINTS


@pytest.mark.parametrize(
    "endpoint",
    [
        "src",
        "source",
        "commits",
        "diff",
        "downloads",
        "issues",
        "/repositories/acme/app/src",
        "/user",
        "https://api.bitbucket.org/2.0/user",
        "",
        "Repositories",
    ],
)
def test_what_is_not_in_the_table_is_refused_without_a_request(fake: Any, client: Any, endpoint: str) -> None:
    for ask in (client.get, client.paginate, client.send):
        with pytest.raises(errors.EndpointNotAllowed, match="not in the table"):
            ask(endpoint, workspace="acme", repo_slug="app")
    assert not fake.seen


def test_no_endpoint_reads_content() -> None:
    forbidden = {
        "src",
        "commit",
        "commits",
        "diff",
        "diffstat",
        "patch",
        "downloads",
        "issues",
        "filehistory",
    }
    for endpoint in ENDPOINTS.values():
        # How builds of a commit ended is no content of it.
        path = endpoint.path.removesuffix("/commit/{commit}/statuses")
        assert forbidden.isdisjoint(path.split("/")), endpoint.name


def test_webhooks_are_all_that_is_ever_written() -> None:
    written = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS.values() if endpoint.writes}
    of = ("/workspaces/{workspace}/hooks", "/repositories/{workspace}/{repo_slug}/hooks")
    assert written == {
        *(("POST", path) for path in of),
        *((method, path + "/{uid}") for path in of for method in ("PUT", "DELETE")),
    }


@pytest.mark.parametrize("name", [name for name, endpoint in ENDPOINTS.items() if endpoint.writes])
def test_what_writes_is_never_reached_by_reading(fake: Any, client: Any, name: str) -> None:
    path = dict.fromkeys(ENDPOINTS[name].parameters, "x")
    for ask in (client.get, client.fetch, client.paginate):
        with pytest.raises(errors.EndpointNotAllowed, match=name):
            ask(name, **path)
    assert not fake.seen


@pytest.mark.parametrize("name", [name for name, endpoint in ENDPOINTS.items() if not endpoint.writes])
def test_what_reads_is_never_sent_a_body(fake: Any, client: Any, name: str) -> None:
    with pytest.raises(errors.EndpointNotAllowed, match="reads; use get"):
        client.send(name, {"x": 1}, **dict.fromkeys(ENDPOINTS[name].parameters, "x"))
    assert not fake.seen


@pytest.mark.parametrize("name", [name for name, endpoint in ENDPOINTS.items() if endpoint.parameters])
@pytest.mark.parametrize(
    "way", ["app/src", "../../user", "app/..", "app?x=1", "app#x", "app%2Fsrc", "%2e%2e", "a\\..\\b"]
)
def test_no_path_parameter_leads_to_another_path(fake: Any, client: Any, name: str, way: str) -> None:
    endpoint = ENDPOINTS[name]
    fake.check_tokens = False
    path = dict.fromkeys(endpoint.parameters, "x")
    path[endpoint.parameters[-1]] = way
    with pytest.raises((errors.EndpointNotAllowed, errors.NotFound)):
        (client.send if endpoint.writes else client.get)(name, **path)
    template = ("/2.0" + endpoint.path).split("/")
    for seen in fake.api():
        parts = seen.path.split("/")
        assert len(parts) == len(template)
        assert all(part == known for part, known in zip(parts, template, strict=True) if "{" not in known)
        assert ".." not in parts


@pytest.mark.parametrize("value", ["", " ", ".", "..", "/", "../x", "a/../b", None, True, 1.5, ["a"]])
def test_values_that_would_change_the_path_are_refused(fake: Any, client: Any, value: Any) -> None:
    with pytest.raises(errors.EndpointNotAllowed, match="repo_slug"):
        client.get("repository", workspace="acme", repo_slug=value)
    assert not fake.seen


@pytest.mark.parametrize("path", [{}, {"workspace": "acme"}, {"workspace": "a", "repo_slug": "b", "more": "c"}])
def test_missing_and_unknown_path_parameters_are_named(client: Any, path: dict[str, str]) -> None:
    with pytest.raises(errors.EndpointNotAllowed, match="wrong or missing"):
        client.get("repository", **path)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("{d8dcf202-0b5d}", "%7Bd8dcf202-0b5d%7D"),
        ("a/b", "a%2Fb"),
        ("naïve ünïcode", "na%C3%AFve%20%C3%BCn%C3%AFcode"),
        ("it's; drop--", "it%27s%3B%20drop--"),
        ("50%", "50%25"),
        (17, "17"),
    ],
)
def test_path_parameters_are_percent_encoded(fake: Any, client: Any, reply: Any, value: Any, sent: str) -> None:
    fake.on(f"/repositories/acme/{sent}", reply(200, {"ok": True}))
    assert client.get("repository", workspace="acme", repo_slug=value) == {"ok": True}


def test_a_redirect_to_another_host_is_refused(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", reply(302, "", {"Location": "http://localhost:1/2.0/workspaces/acme"}))
    with pytest.raises(errors.EndpointNotAllowed, match="redirect"):
        client.get("workspace", workspace="acme")
    assert len(fake.api()) == 1


def test_a_redirect_to_another_endpoint_is_refused(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", reply(302, "", {"Location": "/2.0/user"}))
    with pytest.raises(errors.EndpointNotAllowed, match="redirect"):
        client.get("workspace", workspace="acme")


def test_a_renamed_repository_is_followed_on_the_same_host(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/repositories/acme/old", reply(301, "", {"Location": "/2.0/repositories/acme/new"}))
    fake.on("/repositories/acme/new", reply(200, {"slug": "new"}))
    answer = client.fetch("repository", workspace="acme", repo_slug="old")
    assert (answer.body, answer.requests) == ({"slug": "new"}, 2)


def test_redirects_without_end_are_given_up(fake: Any, connect: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", reply(302, "", {"Location": "/2.0/workspaces/acme"}))
    with pytest.raises(errors.UnreadableBody):
        connect(retry_attempts=1).get_conn().get("workspace", workspace="acme")
    assert len(fake.api()) == 4
