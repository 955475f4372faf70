"""A 401: the token is used up, or one endpoint doesn't take it; and what is known of the token's scopes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bitbucket_cloud import errors
from tests.bitbucket_cloud.conftest import error

PULLS = "/repositories/acme/app/pullrequests"
APP = {"workspace": "acme", "repo_slug": "app"}
REFUSED = error("Token is invalid, expired, or not supported for this endpoint.")
ACCESS_TOKEN = {"fields": {"login": "", "password": "workspace-token-0001"}, "auth": "access_token"}


@pytest.fixture
def tokened(fake: Any, connect: Any) -> Any:
    """A client with an access token that can't be renewed, while it is valid."""
    fake.valid.add("workspace-token-0001")
    return connect(**ACCESS_TOKEN).get_conn()


def test_a_401_of_one_endpoint_is_that_call_s_alone_while_others_take_the_token(
    fake: Any, tokened: Any, reply: Any
) -> None:
    fake.on(PULLS, reply(401, REFUSED))
    fake.on("/workspaces/acme", reply(200, {}))
    with pytest.raises(errors.TokenNotSupported) as caught:
        tokened.paginate("pull_requests", **APP)
    line = str(caught.value)
    assert caught.value.status == 401 and not isinstance(caught.value, errors.AuthenticationError)
    assert PULLS in line and "not supported for this endpoint" in line
    assert "enter its credentials again" not in line
    assert caught.value.requests == len(fake.api()) == 2, "the refused one, and one that shows the token is taken"


@pytest.mark.parametrize("open_to_it", ["/workspaces/acme", "/repositories/acme", "/workspaces/acme/members"])
def test_whichever_endpoint_takes_the_token_shows_that_it_is_good(
    fake: Any, tokened: Any, reply: Any, open_to_it: str
) -> None:
    for path in (PULLS, "/workspaces/acme", "/repositories/acme", "/workspaces/acme/members"):
        fake.on(path, reply(401, REFUSED))
    fake.on(open_to_it, reply(403, error("Access denied.")))
    with pytest.raises(errors.TokenNotSupported):
        tokened.paginate("pull_requests", **APP)


def test_a_token_that_is_refused_everywhere_is_refused(fake: Any, tokened: Any) -> None:
    fake.valid.clear()
    with pytest.raises(errors.AuthenticationError, match="enter its credentials again") as caught:
        tokened.paginate("pull_requests", **APP)
    assert caught.value.requests == len(fake.api()) == 4


def test_a_token_that_is_revoked_in_the_middle_is_refused_with_the_next_call(
    fake: Any, tokened: Any, reply: Any
) -> None:
    fake.on(PULLS, reply(200, {"values": []}))
    tokened.paginate("pull_requests", **APP)
    fake.valid.clear()
    with pytest.raises(errors.AuthenticationError):
        tokened.paginate("pull_requests", **APP)


def test_a_token_is_not_renewed_again_for_an_endpoint_that_refuses_it(fake: Any, client: Any, reply: Any) -> None:
    fake.on(PULLS, reply(401, REFUSED))
    fake.on("/workspaces/acme", reply(200, {}))
    for _ in range(5):
        with pytest.raises(errors.TokenNotSupported):
            client.paginate("pull_requests", **APP)
    assert fake.tokens == 2, "the first one, and one to see whether it was the token"
    # Expired, it is renewed for this endpoint as for any other.
    fake.valid.clear()
    fake.on(PULLS, reply(200, {"values": []}))
    client.paginate("pull_requests", **APP)
    assert fake.tokens == 3


def test_other_calls_show_that_the_token_is_good_without_a_request_of_their_own(
    fake: Any, tokened: Any, reply: Any
) -> None:
    fake.on(PULLS, reply(401, REFUSED, delay=0.4))
    fake.on("/repositories/acme/app", reply(200, {}, delay=0.1))
    with ThreadPoolExecutor(2) as threads:
        refused = threads.submit(tokened.paginate, "pull_requests", **APP)
        threads.submit(tokened.get, "repository", **APP).result()
        with pytest.raises(errors.TokenNotSupported):
            refused.result()
    assert len(fake.api()) == 2


def test_an_answer_that_states_fewer_scopes_takes_none_from_the_token(fake: Any, tokened: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", reply(200, {}, {"X-OAuth-Scopes": "account, repository:admin"}))
    fake.on("/repositories/acme/app/pipelines", reply(200, {"values": []}, {"X-OAuth-Scopes": "pipeline"}))
    tokened.get("workspace", workspace="acme")
    tokened.paginate("pipelines", **APP)
    assert tokened.granted_scopes == {"account", "repository:admin", "pipeline"}


def test_the_token_s_own_answer_lists_its_scopes(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/repositories/acme/app/pipelines", reply(200, {"values": []}, {"X-OAuth-Scopes": "pipeline"}))
    client.paginate("pipelines", **APP)
    assert client.granted_scopes == {"account", "pullrequest", "repository", "webhook", "pipeline"}
