"""The stand-in behaves over HTTP as Bitbucket does: tokens, scopes, rights, pages, errors, faults."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from sandbox.endpoints import ENDPOINTS
from sandbox.errors import HTML_TOKEN, RATE_LIMIT_TEXT
from sandbox.process import SandboxServer
from sandbox.state import SandboxState

W = "demo-workspace"
REPO = f"/repositories/{W}/billing-api"


def token_answer(server: SandboxServer, auth: tuple[str, str] | None, **form: str) -> requests.Response:
    return requests.post(f"{server.url}/site/oauth2/access_token", auth=auth, data=form, timeout=10)


# --- tokens and scopes ---------------------------------------------------------------------------------


def test_client_credentials_give_a_bearer_token_and_no_refresh_token(server: SandboxServer, five: Any) -> None:
    answer = token_answer(server, ("demo-key", "demo-secret"), grant_type="client_credentials").json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert answer["expires_in"] == 7200
    assert answer["scope"].split() == ["account", "pullrequest", "webhook", "pipeline"]
    five.session.headers["Authorization"] = f"Bearer {answer['access_token']}"
    response = five.get("/user")
    assert response.json()["type"] == "app_user"
    assert response.headers["X-Credential-Type"] == "oauth2_legacy"


def test_wrong_client_credentials_are_refused_in_oauths_own_shape(server: SandboxServer) -> None:
    wrong = token_answer(server, ("demo-key", "no"), grant_type="client_credentials")
    assert wrong.status_code == 400
    assert wrong.json() == {
        "error": "unauthorized_client",
        "error_description": "Invalid OAuth client credentials",
    }
    bare = token_answer(server, None, grant_type="client_credentials").json()
    assert bare["error_description"] == "Requests must be authenticated using OAuth client credentials"
    odd = token_answer(server, ("demo-key", "demo-secret"), grant_type="password").json()
    assert odd["error"] == "unsupported_grant_type"


def test_a_refresh_token_works_once_and_hands_out_the_next(server: SandboxServer, state: SandboxState) -> None:
    first = state.issue_refresh_token("demo-key")
    auth = ("demo-key", "demo-secret")
    answer = token_answer(server, auth, grant_type="refresh_token", refresh_token=first).json()
    assert answer["refresh_token"] != first
    again = token_answer(server, auth, grant_type="refresh_token", refresh_token=first)
    assert (again.status_code, again.json()["error"]) == (400, "unauthorized_client")
    unknown = token_answer(server, auth, grant_type="refresh_token", refresh_token="x").json()
    assert (unknown["error"], unknown["error_description"]) == ("invalid_request", "Invalid refresh_token")
    assert token_answer(server, auth, grant_type="refresh_token", refresh_token=answer["refresh_token"]).ok


def test_a_consent_sends_the_browser_back_with_a_code_that_works_once(
    server: SandboxServer, state: SandboxState
) -> None:
    query = {"client_id": "demo-key", "response_type": "code", "state": "s&1", "redirect_uri": "http://localhost:1/c"}
    page = requests.get(f"{server.url}/site/oauth2/authorize", params=query, allow_redirects=False, timeout=10)
    back = urlsplit(page.headers["Location"])
    (code,) = state.codes
    assert page.status_code == 302 and back.netloc == "localhost:1"
    assert parse_qs(back.query) == {"code": [code], "state": ["s&1"]}
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "http://localhost:1/c"}
    answer = token_answer(server, ("demo-key", "demo-secret"), **form).json()
    assert answer["access_token"] in state.tokens and answer["refresh_token"] in state.refresh_tokens
    again = token_answer(server, ("demo-key", "demo-secret"), **form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_consent_can_be_denied_and_needs_a_known_consumer_and_its_address(
    server: SandboxServer, state: SandboxState
) -> None:
    def ask(**query: str) -> requests.Response:
        query = {"response_type": "code", **query}
        return requests.get(f"{server.url}/site/oauth2/authorize", params=query, allow_redirects=False, timeout=10)

    assert ask(client_id="nobody").status_code == 400
    state.add_consumer("fixed", "s", ["account"]).redirect_uri = "https://console.example/back"
    assert ask(client_id="fixed", redirect_uri="https://elsewhere.example/").status_code == 400
    assert ask(client_id="fixed").headers["Location"].startswith("https://console.example/back?code=")
    state.deny_authorization = True
    assert "error=access_denied" in ask(client_id="demo-key").headers["Location"]
    del state.consumers["fixed"]


def test_a_reused_refresh_token_is_counted_and_refreshes_can_be_refused(
    server: SandboxServer, state: SandboxState
) -> None:
    auth = ("demo-key", "demo-secret")
    token = state.issue_refresh_token("demo-key")
    state.refuse_refresh = True
    refused = token_answer(server, auth, grant_type="refresh_token", refresh_token=token)
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    state.refuse_refresh = False
    assert token_answer(server, auth, grant_type="refresh_token", refresh_token=token).ok
    assert state.reused_refresh_tokens == 0
    token_answer(server, auth, grant_type="refresh_token", refresh_token=token)
    assert state.stats()["reused_refresh_tokens"] == 1


def test_missing_unknown_and_expired_tokens_answer_401(server: SandboxServer, state: SandboxState, five: Any) -> None:
    anonymous = requests.get(f"{server.url}/2.0/user", timeout=10)
    assert anonymous.status_code == 401
    assert anonymous.json()["error"]["message"].startswith("Token is invalid")
    state.token_lifetime = 0
    answer = token_answer(server, ("demo-key", "demo-secret"), grant_type="client_credentials").json()
    five.session.headers["Authorization"] = f"Bearer {answer['access_token']}"
    expired = five.get("/user")
    assert expired.status_code == 401
    assert expired.json()["error"]["message"].startswith("Access token expired")


@pytest.mark.parametrize("path", ["branch-restrictions", "pipelines_config"])
def test_a_missing_scope_answers_403_with_required_and_granted(five: Any, path: str) -> None:
    response = five.get(f"{REPO}/{path}")
    assert response.status_code == 403
    error = response.json()["error"]
    assert error["message"] == "Your credentials lack one or more required privilege scopes."
    assert error["detail"]["required"] == ["repository:admin"]
    assert "repository:admin" not in error["detail"]["granted"]
    assert response.headers["X-Accepted-OAuth-Scopes"] == "repository:admin"


def test_scopes_imply_as_documented_and_repository_admin_implies_nothing(
    server: SandboxServer, state: SandboxState, five: Any
) -> None:
    state.add_token("only-admin", ["repository:admin", "account"])
    state.add_token("only-pulls", ["pullrequest"])
    five.session.headers["Authorization"] = "Bearer only-admin"
    assert five.get(REPO).status_code == 403
    assert five.get(f"{REPO}/branch-restrictions").status_code == 200
    five.session.headers["Authorization"] = "Bearer only-pulls"
    assert five.get(REPO).status_code == 200
    assert five.get("/user").status_code == 403


def test_scope_headers_leave_implied_scopes_out(five: Any) -> None:
    response = five.get(REPO)
    assert response.headers["X-OAuth-Scopes"] == "account, pullrequest, webhook, pipeline"
    assert response.headers["X-Accepted-OAuth-Scopes"] == "repository"
    assert "X-Accepted-OAuth-Scopes" not in five.get(f"/workspaces/{W}").headers


@pytest.mark.parametrize("path", ["branch-restrictions", "pipelines_config"])
def test_an_identity_without_admin_rights_answers_403_of_rights(admin: Any, path: str) -> None:
    response = admin.get(f"/repositories/{W}/cluster-config/{path}")
    assert response.status_code == 403
    assert response.json()["data"] == {"key": "INSUFFICIENT_RIGHTS"}
    assert response.json()["error"]["message"].startswith("Access denied")


# --- objects -------------------------------------------------------------------------------------------


def test_slug_and_uuid_name_the_same_repository_and_workspace(admin: Any, state: SandboxState) -> None:
    uuid, workspace = state.repository("billing-api").uuid, state.workspaces[0].uuid
    plain = admin.json(REPO)
    assert plain["uuid"] == uuid
    encoded = uuid.replace("{", "%7B").replace("}", "%7D")
    assert admin.json(f"/repositories/{W}/{encoded}") == plain
    assert admin.json(f"/repositories/{workspace}/{uuid}") == plain


def test_the_callers_own_endpoints_tell_its_rights(admin: Any) -> None:
    assert admin.json("/user/workspaces")["values"][0]["administrator"] is True
    assert admin.json("/user/workspaces", administrator="false")["values"] == []
    assert admin.json(f"/user/workspaces/{W}/permission")["permission"] == "owner"
    mine = admin.all(f"/user/workspaces/{W}/permissions/repositories", q='permission < "admin"', pagelen=100)
    assert {i["repository"]["name"] for i in mine} >= {"cluster-config", "dns-zones"}
    assert admin.all(f"/workspaces/{W}/permissions", q='permission="owner"')[0]["permission"] == "owner"
    assert len(admin.all(f"/workspaces/{W}/permissions", q='permission="owner"')) == 3


def test_repository_permissions_of_a_workspace_are_for_its_administrators(five: Any, state: SandboxState) -> None:
    assert five.get(f"/workspaces/{W}/permissions/repositories").status_code == 200
    state.add_token("plain-member", ["account", "repository"], workspace_admin=False)
    five.session.headers["Authorization"] = "Bearer plain-member"
    assert five.get(f"/workspaces/{W}/permissions/repositories").status_code == 403
    assert five.get(f"/workspaces/{W}/members", q='user.email IN ("a@example.com")').status_code == 403


def test_restrictions_of_a_branching_model_have_a_type_and_an_empty_pattern(admin: Any) -> None:
    rules = admin.all(f"/repositories/{W}/pricing/branch-restrictions", pagelen=100)
    assert {(r["pattern"], r["branch_type"]) for r in rules} == {("", "production")}
    globs = admin.all(f"{REPO}/branch-restrictions", pagelen=100)
    assert all("branch_type" not in r for r in globs)
    assert [r["id"] for r in globs] == sorted((r["id"] for r in globs), reverse=True)
    assert [r["kind"] for r in admin.all(f"{REPO}/branch-restrictions", kind="push", pattern="main")] == ["push"]


def test_pipelines_never_configured_answer_404_and_off_answers_false(admin: Any) -> None:
    assert admin.get(f"/repositories/{W}/archive-tool/pipelines_config").status_code == 404
    assert admin.json(f"/repositories/{W}/gateway/pipelines_config")["enabled"] is False
    empty = admin.json(f"/repositories/{W}/archive-tool/pipelines")
    assert empty == {"page": 1, "values": [], "size": 0, "pagelen": 0}


def test_a_listed_repository_may_be_gone(admin: Any) -> None:
    assert "settlement" in {r["slug"] for r in admin.all(f"/repositories/{W}", pagelen=100)}
    for path in ("", "/pullrequests", "/branch-restrictions", "/pipelines"):
        assert admin.get(f"/repositories/{W}/settlement{path}").status_code == 404


# --- members and e-mail --------------------------------------------------------------------------------


def test_members_show_no_email_unless_filtered_on_and_asked_for(admin: Any) -> None:
    path = f"/workspaces/{W}/members"
    assert all("email" not in i["user"] for i in admin.all(path, fields="+values.user.email"))
    query = 'user.email IN ("FEMI.rask@example.com","una.never@example.com")'
    assert all("email" not in i["user"] for i in admin.all(path, q=query))
    found = admin.json(path, q=query, fields="values.user.email,values.user.nickname")
    assert found == {"values": [{"user": {"nickname": "femi-rask", "email": "Femi.Rask@example.com"}}]}
    either = admin.all(path, q=f'user.nickname="ada-lindqvist" OR {query}', fields="+values.user.email")
    assert [i["user"].get("email") for i in either] == [None, "Femi.Rask@example.com"]


def test_at_most_ninety_addresses_are_taken(admin: Any) -> None:
    def query(count: int) -> str:
        return "user.email IN (" + ",".join(f'"m{n}@example.com"' for n in range(count)) + ")"

    assert admin.get(f"/workspaces/{W}/members", q=query(90)).status_code == 200
    refused = admin.get(f"/workspaces/{W}/members", q=query(91))
    assert refused.status_code == 400
    assert refused.json()["type"] == "error"


# --- lists ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pagelen", [1, 7, 39, 40, 100])
def test_following_next_gives_every_repository_once(admin: Any, pagelen: int) -> None:
    slugs = [r["slug"] for r in admin.all(f"/repositories/{W}", pagelen=pagelen, fields="values.slug,next")]
    assert len(slugs) == len(set(slugs)) == 40


def test_next_is_opaque_absolute_and_keeps_the_query(server: SandboxServer, admin: Any) -> None:
    body = admin.json(f"/repositories/{W}", pagelen=10, sort="-slug", q='project.key="CORE"')
    assert body["next"].startswith(f"{server.url}/2.0/repositories/{W}?")
    assert "sort=-slug" in body["next"] and "pagelen=10" in body["next"]
    assert re.search(r"page=[\w]{10,}", body["next"])
    second = admin.json(body["next"])
    slugs = [r["slug"] for r in body["values"] + second["values"]]
    assert slugs == sorted(slugs, reverse=True)
    assert (body["size"], second["page"]) == (23, 2)


def test_a_page_number_made_up_by_the_client_is_refused(admin: Any) -> None:
    first = admin.json(f"/repositories/{W}", pagelen=10)
    assert admin.get(f"/repositories/{W}", page=2).status_code == 400
    token = first["next"].split("page=")[-1]
    assert admin.get(f"/workspaces/{W}/members", page=token).status_code == 400
    assert admin.get(f"/repositories/{W}", page=1).status_code == 200


@pytest.mark.parametrize(
    ("path", "pagelen", "status"),
    [
        (f"{REPO}/pullrequests", 50, 200),
        (f"{REPO}/pullrequests", 51, 400),
        (f"{REPO}/pullrequests", 0, 400),
        (f"{REPO}/pullrequests", "ten", 400),
        (f"{REPO}/pipelines", 1, 200),
        (f"{REPO}/pipelines", 100, 200),
        (f"{REPO}/branch-restrictions", 100, 200),
        (f"/repositories/{W}", 101, 400),
        (f"/workspaces/{W}/members", 100, 200),
    ],
)
def test_page_lengths_have_limits(admin: Any, path: str, pagelen: Any, status: int) -> None:
    response = admin.get(path, pagelen=pagelen)
    assert response.status_code == status
    if status == 400:
        assert response.json() == {"type": "error", "error": {"message": "Invalid pagelen"}}


def test_default_page_lengths_differ(admin: Any) -> None:
    assert admin.json(f"/repositories/{W}")["pagelen"] == 10
    assert admin.json(f"/workspaces/{W}/members")["pagelen"] == 50
    assert admin.json(f"{REPO}/pullrequests/2/statuses")["pagelen"] == 30


def test_pull_requests_are_open_ones_unless_state_or_q_says_otherwise(admin: Any) -> None:
    path = f"/repositories/{W}/reporting/pullrequests"

    def states(**query: Any) -> set[str]:
        return {p["state"] for p in admin.all(path, **query)}

    assert states() == {"OPEN"}
    assert states(state=["MERGED", "DECLINED"]) == {"MERGED", "DECLINED"}
    assert states(state="DECLINED", q='state="MERGED"') == {"MERGED"}, "q makes state void"
    assert admin.get(path, state="CLOSED").status_code == 400
    assert admin.json(path, state="OPEN", pagelen=1, fields="size") == {"size": 2}


def test_pull_requests_are_filtered_sorted_and_partial(admin: Any) -> None:
    found = admin.json(
        f"{REPO}/pullrequests",
        q='state = "MERGED" AND destination.branch.name = "main" AND updated_on > 2020-01-01T00:00:00Z',
        sort="-updated_on",
        fields="values.id,values.updated_on,values.participants.approved,values.participants.user.type,size",
        pagelen=50,
    )
    assert found.keys() == {"values", "size"}
    dates = [p["updated_on"] for p in found["values"]]
    assert dates == sorted(dates, reverse=True)
    assert {"approved": True, "user": {"type": "user"}} in found["values"][0]["participants"]
    plain = admin.json(f"{REPO}/pullrequests")["values"][0]
    assert "participants" not in plain and "reviewers" not in plain


@pytest.mark.parametrize("q", ['state = "OPEN', 'nope = "x"', "updated_on > 2026-01-01T00:00:00 00:00", ""])
def test_a_bad_filter_answers_400_in_the_envelope(admin: Any, q: str) -> None:
    response = requests.get(
        f"{admin.url}/2.0{REPO}/pullrequests", params={"q": q}, headers=admin.session.headers, timeout=10
    )
    assert response.status_code == 400
    assert response.json()["type"] == "error"


def test_the_next_page_of_pipelines_forgets_the_order(admin: Any) -> None:
    body = admin.json(f"{REPO}/pipelines", sort="-created_on", pagelen=1, q="ignored nonsense")
    assert body["values"][0]["build_number"] == 4
    assert "sort=" not in body["next"]
    assert admin.json(body["next"])["values"][0]["build_number"] == 2, "oldest first from here on"


# --- errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["json", "text", "html"])
def test_an_unknown_workspace_answers_404_in_three_shapes(admin: Any, state: SandboxState, shape: Any) -> None:
    state.workspace_not_found = shape
    response = admin.get("/repositories/nowhere")
    assert response.status_code == 404
    kind = response.headers["Content-Type"]
    if shape == "json":
        assert response.json()["error"]["message"] == "No workspace with identifier 'nowhere'."
    elif shape == "text":
        assert (kind.split(";")[0], response.text) == ("text/plain", "Not Found")
    else:
        assert kind.startswith("text/html") and HTML_TOKEN in response.text
        assert 20_000 < len(response.content) < 30_000


@pytest.mark.parametrize(
    "path",
    [
        "src/main/README",
        "commits",
        "diff/main",
        "downloads",
        "issues",
        "pullrequests/1/diff",
        "pipelines/",
    ],
)
def test_any_other_path_answers_404_and_is_remembered(admin: Any, state: SandboxState, path: str) -> None:
    response = admin.get(f"{REPO}/{path}")
    assert response.status_code == 404
    assert response.json()["error"]["detail"] == "There is no API hosted at this URL"
    assert [record.path for record in state.forbidden()] == [f"/2.0{REPO}/{path}"]


def test_cross_workspace_endpoints_are_gone(admin: Any) -> None:
    response = admin.get("/workspaces")
    assert response.status_code == 410
    assert response.json()["error"]["message"].startswith("CHANGE-2770")


# --- faults --------------------------------------------------------------------------------------------


def test_a_rate_limit_is_plain_text_without_retry_after(admin: Any, state: SandboxState) -> None:
    state.add_fault("repository", slug="billing-api", status=429, remaining=1)
    limited = admin.get(REPO)
    assert (limited.status_code, limited.text) == (429, RATE_LIMIT_TEXT)
    assert limited.headers["Content-Type"].startswith("text/plain")
    assert "Retry-After" not in limited.headers
    assert admin.get(REPO).status_code == 200, "the fault was for one request"
    state.hourly_limit = 2
    assert [admin.get(REPO).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 500, 503])
def test_a_status_fault_holds_for_its_endpoint_and_repository(admin: Any, state: SandboxState, status: int) -> None:
    state.add_fault("pull_requests", slug="billing-api", status=status)
    uuid = state.repository("billing-api").uuid
    assert admin.get(f"{REPO}/pullrequests").status_code == status
    assert admin.get(f"/repositories/{W}/{uuid}/pullrequests").status_code == status
    assert admin.get(f"/repositories/{W}/ledger/pullrequests").status_code == 200
    assert admin.get(REPO).status_code == 200


def test_broken_answers_break(admin: Any, state: SandboxState) -> None:
    state.add_fault("repository", kind="reset", remaining=1)
    with pytest.raises(requests.ConnectionError):
        admin.get(REPO)
    state.add_fault("repository", kind="truncated", remaining=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        admin.get(REPO)
    state.add_fault("repository", kind="invalid_json", remaining=1)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        admin.get(REPO).json()
    state.add_fault("repository", kind="html", status=502, remaining=1)
    assert HTML_TOKEN in admin.get(REPO).text
    state.add_fault("repository", kind="text", status=404, remaining=1)
    assert admin.get(REPO).text == "Not Found"
    assert admin.get(REPO).status_code == 200
    assert [r.status for r in state.requests] == [0, 200, 200, 502, 404, 200]


def test_listings_can_lie(admin: Any, state: SandboxState) -> None:
    path = f"/repositories/{W}"
    state.add_fault("repositories", kind="repeat_item", remaining=1)
    repeated = [r["slug"] for r in admin.all(path, pagelen=30)]
    assert (len(repeated), len(set(repeated))) == (41, 40)
    state.add_fault("repositories", kind="repeat_item", remaining=1)
    assert len(admin.all(path, pagelen=100)) == 41
    state.add_fault("repositories", kind="wrong_size", remaining=1)
    assert admin.json(path)["size"] == 47
    state.add_fault("repositories", kind="no_size", remaining=1)
    assert "size" not in admin.json(path)
    state.add_fault("repositories", kind="drop_next", remaining=1)
    assert "next" not in admin.json(path)
    state.add_fault("repositories", kind="pages", body='{"pages": [[0, 2], [2]], "size": 9, "pagelen": 2}', remaining=2)
    slugs = [r["slug"] for r in admin.all(path)]
    assert len(slugs) == 3 and slugs[1] == slugs[2]
    state.add_fault("workspace_members", kind="closed_account", remaining=1)
    members = admin.json(f"/workspaces/{W}/members", pagelen=100)
    assert members["values"][-1]["user"] is None and members["size"] == len(members["values"])
    state.lists_carry_size = False
    assert "size" not in admin.json(path)


def test_random_faults_are_seeded(admin: Any, state: SandboxState) -> None:
    def statuses() -> list[int]:
        state.reset()
        state.rate_429, state.rate_500 = 0.3, 0.3
        return [admin.get("/user").status_code for _ in range(20)]

    first = statuses()
    assert first == statuses()
    assert {200, 429, 500} == set(first)


def test_an_unknown_fault_is_refused(state: SandboxState) -> None:
    with pytest.raises(ValueError, match="unknown fault kind"):
        state.add_fault("user", kind="nonsense")  # type: ignore[arg-type]


# --- the control API and the process -------------------------------------------------------------------


def test_other_processes_read_counters_and_set_faults(server: SandboxServer, five: Any) -> None:
    control = server.url + "/_sandbox"
    fault = {"endpoint": "user", "status": 500, "remaining": 1}
    assert requests.post(f"{control}/faults", json=fault, timeout=10).ok
    assert not requests.post(f"{control}/faults", json={"endpoint": "nope"}, timeout=10).ok
    assert not requests.post(f"{control}/faults", json={"endpoint": "user", "typo": 1}, timeout=10).ok
    assert [five.get("/user").status_code for _ in range(2)] == [500, 200]
    stats = requests.get(f"{control}/stats", timeout=10).json()
    assert stats["by_endpoint"] == {"user": 2}
    assert stats["by_status"] == {"500": 1, "200": 1}
    assert requests.get(f"{control}/requests", timeout=10).json()[0]["path"] == "/2.0/user"
    assert requests.post(f"{control}/reset", timeout=10).json()["requests"] == 0
    assert requests.post(f"{control}/latency", json={"latency_ms": 120}, timeout=10).ok
    began = time.monotonic()
    five.get("/user")
    assert 0.12 <= time.monotonic() - began < 10


def test_tokens_can_be_ended_in_mid_run(server: SandboxServer, state: SandboxState, five: Any) -> None:
    answer = token_answer(server, ("demo-key", "demo-secret"), grant_type="client_credentials").json()
    five.session.headers["Authorization"] = f"Bearer {answer['access_token']}"
    assert five.get("/user").status_code == 200
    requests.post(f"{server.url}/_sandbox/expire-tokens", timeout=10)
    assert five.get("/user").status_code == 401


@pytest.mark.slow
def test_the_command_line_serves_on_loopback_and_writes_its_url(tmp_path: Path) -> None:
    ready = tmp_path / "url"
    command = [sys.executable, "-m", "sandbox", "--workload", "reference", "--repositories", "3"]
    process = subprocess.Popen([*command, "--ready-file", str(ready)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        url = ready.read_text().strip()
        assert line == f"sandbox listening on {url}"
        assert url.startswith("http://127.0.0.1:")
        assert requests.get(f"{url}/_sandbox/stats", timeout=10).json()["repositories"] == 3
    finally:
        process.terminate()
        assert process.wait(timeout=15) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "", "one line is all it says"
        process.stdout.close()


def test_a_server_can_be_stopped_twice_and_takes_a_given_port_and_state_again() -> None:
    first = SandboxServer(latency_ms=5).start()
    port = int(first.url.rsplit(":", 1)[1])
    first.state.add_consumer("own-key", "own-secret", ["account"])
    first.stop()
    first.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{first.url}/_sandbox/stats", timeout=2)
    with SandboxServer(first.state, port=port) as second:
        assert second.url == first.url
        answer = token_answer(second, ("own-key", "own-secret"), grant_type="client_credentials").json()
        assert answer["scope"] == "account"


def test_many_at_once_are_answered_at_once(server: SandboxServer, state: SandboxState) -> None:
    state.latency_ms = 200
    headers = {"Authorization": "Bearer demo-token"}
    with ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        asked = [pool.submit(requests.get, f"{server.url}/2.0/user", headers=headers, timeout=10) for _ in range(8)]
        assert all(future.result().ok for future in asked)
    assert time.monotonic() - began < 10
    assert state.max_in_flight > 1


@pytest.mark.slow
def test_a_taken_port_is_one_line(server: SandboxServer) -> None:
    port = server.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "--port", port],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0 and port in done.stderr


def test_the_reference_workload_has_the_agreed_shape() -> None:
    from sandbox.reference import reference_workspace

    for repo in reference_workspace(3).repositories:
        pulls = repo.pull_requests
        newest = max(p.updated_on for p in pulls)
        merged = [p for p in pulls if p.state == "MERGED"]
        recent = [p for p in merged if (newest - p.updated_on).days < 88]
        assert (len(pulls) - len(merged), len(recent), len(merged) - len(recent)) == (10, 30, 20)
        assert all(any(x.approved and x.user != p.author for x in p.participants) for p in recent)
        assert {s.state for p in recent for s in p.statuses} == {"SUCCESSFUL"}
        assert (len(repo.restrictions), len(repo.pipelines)) == (12, 40)


def test_endpoint_names_are_unique() -> None:
    assert len({e.name for e in ENDPOINTS}) == len(ENDPOINTS)
