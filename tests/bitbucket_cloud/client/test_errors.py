"""Each way to fail has its class, its one line, and no word of a web page or a secret."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from bitbucket_cloud import errors

HTML = "<!DOCTYPE html><html><body data-token='html-token-123456'>Somebody's profile</body></html>"
SCOPES_403 = {
    "type": "error",
    "error": {
        "message": "Your credentials lack one or more required privilege scopes.",
        "detail": {"required": ["repository:admin"], "granted": ["pullrequest", "account"]},
    },
}


def envelope(message: str, **more: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"message": message, **more}}


CASES = [
    (400, envelope("Invalid pagelen"), "application/json", errors.BadRequest),
    (405, "", "text/plain", errors.BadRequest),
    (408, "<html>Request Timeout</html>", "text/html", errors.ServerError),
    (425, "", "text/plain", errors.ServerError),
    (499, "", "text/plain", errors.ServerError),
    (451, "", "text/plain", errors.BadRequest),
    (403, SCOPES_403, "application/json", errors.ScopeMissing),
    (
        403,
        envelope("Access denied. You must have write or admin access."),
        "application/json",
        errors.PermissionMissing,
    ),
    (403, "Forbidden", "text/plain", errors.PermissionMissing),
    (403, HTML, "text/html", errors.PermissionMissing),
    (404, envelope("No workspace with identifier 'acme'."), "application/json", errors.NotFound),
    (404, "Not Found", "text/plain", errors.NotFound),
    (404, HTML * 200, "text/html; charset=utf-8", errors.NotFound),
    (404, envelope(HTML), "application/json", errors.NotFound),
    (410, envelope("CHANGE-2770 - Functionality has been deprecated"), "application/json", errors.Gone),
    (500, HTML, "text/html", errors.ServerError),
    (503, "", "text/plain", errors.ServerError),
    (555, "", "text/plain", errors.MergeTimeout),
    (304, "", "text/plain", errors.UnreadableBody),
    (200, HTML, "text/html", errors.UnreadableBody),
    (200, "[1, 2]", "application/json", errors.UnreadableBody),
    (200, '{"a": NaN}', "application/json", errors.UnreadableBody),
    (200, '{"a": 1e999}', "application/json", errors.UnreadableBody),
    (200, b"\xff\xfe\x00broken", "application/json", errors.UnreadableBody),
    (200, "[" * 100_000, "application/json", errors.UnreadableBody),
]


@pytest.mark.parametrize(("status", "body", "kind", "expected"), CASES)
def test_every_failure_has_its_class_and_a_clean_line(
    fake: Any,
    client: Any,
    reply: Any,
    status: int,
    body: Any,
    kind: str,
    expected: type[errors.BitbucketError],
) -> None:
    fake.on("/workspaces/acme", reply(status, body, {"Content-Type": kind}))
    with pytest.raises(errors.BitbucketError) as caught:
        client.get("workspace", workspace="acme")
    error = caught.value
    assert type(error) is expected
    assert error.status == status
    line = str(error)
    assert "\n" not in line and "/workspaces/acme" in line and ";" in line
    assert "html" not in line.lower() and "profile" not in line and "<" not in line
    assert len(line) < 500


@pytest.mark.parametrize(
    ("status", "attempts"),
    [(400, 1), (403, 1), (404, 1), (410, 1), (555, 1), (502, 5), (408, 5), (425, 5), (499, 5)],
)
def test_only_what_a_moment_may_cure_is_repeated(
    fake: Any, client: Any, reply: Any, status: int, attempts: int
) -> None:
    fake.on("/workspaces/acme", reply(status, ""))
    with pytest.raises(errors.BitbucketError) as caught:
        client.get("workspace", workspace="acme")
    assert caught.value.requests == attempts == len(fake.api()) == client.requests_sent


def test_a_missing_scope_names_what_is_required(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/repositories/acme/app/branch-restrictions", reply(403, SCOPES_403))
    with pytest.raises(errors.ScopeMissing) as caught:
        client.paginate("branch_restrictions", workspace="acme", repo_slug="app")
    assert caught.value.required == {"repository:admin"}
    assert "repository:admin" in str(caught.value) and "bitbucket_default" in str(caught.value)


def test_a_missing_scope_without_detail_names_the_one_of_the_table(fake: Any, client: Any, reply: Any) -> None:
    message = "Your credentials lack one or more required privilege scopes."
    fake.on("/repositories/acme/app/pipelines_config", reply(403, envelope(message)))
    with pytest.raises(errors.ScopeMissing) as caught:
        client.get("pipelines_config", workspace="acme", repo_slug="app")
    assert caught.value.required == {"repository:admin"}


@pytest.mark.parametrize("attempts", [1, 3])
def test_an_unreachable_host_is_one_line_that_names_host_and_connection(connect: Any, attempts: int) -> None:
    hook = connect(fields={"host": "http://127.0.0.1:1"}, retry_attempts=attempts)
    with pytest.raises(errors.Unreachable) as caught:
        hook.get_conn().get("workspace", workspace="acme")
    assert caught.value.requests == attempts
    line = str(caught.value)
    assert "http://127.0.0.1:1" in line and "bitbucket_default" in line and "connection refused" in line
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_slow_answer_is_unreachable(fake: Any, connect: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", reply(200, {}, delay=1.0))
    with pytest.raises(errors.Unreachable, match="timed out"):
        connect(timeout=0.1, retry_attempts=1).get_conn().get("workspace", workspace="acme")


def test_a_tls_host_that_speaks_plain_http_is_said_to_do_so(fake: Any, connect: Any) -> None:
    hook = connect(fields={"host": fake.url.replace("http:", "https:")}, retry_attempts=1)
    with pytest.raises(errors.Unreachable, match="plain http"):
        hook.get_conn().get("workspace", workspace="acme")


def test_errors_survive_a_trip_between_processes() -> None:
    error = errors.ScopeMissing("lacks it", status=403, required=["pipeline"])
    error.requests = 2
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(again) == "lacks it"
    assert (again.status, again.requests, again.required) == (403, 2, {"pipeline"})


@pytest.mark.parametrize(("status", "is_a_parameters_fault"), [(400, True), (422, True), (402, False), (451, False)])
def test_only_a_request_that_was_not_understood_is_the_parameters_fault(
    fake: Any, client: Any, reply: Any, status: int, is_a_parameters_fault: bool
) -> None:
    fake.on("/workspaces/acme", reply(status, ""))
    with pytest.raises(errors.BadRequest) as caught:
        client.get("workspace", workspace="acme")
    assert ("parameters" in str(caught.value)) is is_a_parameters_fault
