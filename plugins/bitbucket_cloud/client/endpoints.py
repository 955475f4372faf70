"""The closed table of what the client may ask Bitbucket for. Whatever is not here can't be reached.

Paths, methods, scopes and page lengths follow Bitbucket's official OpenAPI document. What is read is metadata only: no
source, commit, diff, download or issue. Webhooks are all that is ever written; every other row is a GET.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from urllib.parse import quote, unquote

from bitbucket_cloud.errors import EndpointNotAllowed

_PARAMETER = re.compile(r"\{(\w+)\}")


def _changes_path(value: str) -> bool:
    """Whether a value, once decoded, is empty or holds a part that servers resolve ("." and "..")."""
    parts = value.replace("\\", "/").split("/")
    return not value.strip("/ ") or any(part.strip() in (".", "..") for part in parts)


def _plain(value: object) -> object:
    """Query values as Bitbucket reads them: true and false in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True)
class Endpoint:
    """One operation of Bitbucket's REST API 2.0.

    Attributes:
        name: how callers name it.
        path: template below ``/2.0``, with Bitbucket's own parameter names.
        scopes: classic OAuth scopes that the official document asks for; empty where any token will do.
        page_max: greatest ``pagelen`` in objects; None where the answer is one object, not a listing.
        method: GET, or POST, PUT or DELETE for one that writes.
        own_rate_limit: whether a 429 may be about this endpoint alone, so that it says nothing of other requests.
    """

    name: str
    path: str
    scopes: frozenset[str] = field(default_factory=frozenset)
    page_max: int | None = None
    method: str = "GET"
    own_rate_limit: bool = False

    @property
    def writes(self) -> bool:
        """Whether it changes something at Bitbucket."""
        return self.method != "GET"

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the path parameters, in their order."""
        return tuple(_PARAMETER.findall(self.path))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = _PARAMETER.split(self.path)
        return re.compile(
            "".join(f"(?P<{part}>[^/?#&]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)) + "/?"
        )

    def fill(self, values: Mapping[str, object]) -> str:
        """The path with its parameters filled in, each percent-encoded as one segment.

        Raises:
            EndpointNotAllowed: a parameter is missing, unknown, or would change the path ("", ".", "..").
        """
        wrong = set(values) ^ set(self.parameters)
        if wrong:
            wanted = ", ".join(self.parameters) or "no path parameters"
            raise EndpointNotAllowed(
                f"endpoint {self.name} takes {wanted}; wrong or missing: {', '.join(sorted(wrong))}"
            )
        return _PARAMETER.sub(lambda match: self._segment(match[1], values[match[1]]), self.path)

    def _segment(self, name: str, value: object) -> str:
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if _changes_path(text):
            raise EndpointNotAllowed(
                f"path parameter {name} of endpoint {self.name} must be a slug, uuid or number, not {value!r:.40}"
            )
        return quote(text, safe="")

    def query(self, fields: Sequence[str] = (), params: Mapping[str, object] | None = None) -> dict[str, object]:
        """Query parameters of a first request, ``pagelen`` always among them for a listing.

        Raises:
            ValueError: ``pagelen`` is no whole number of at least 1.
        """
        query = {name: _plain(value) for name, value in (params or {}).items() if value is not None}
        if fields:
            query["fields"] = ",".join((fields,) if isinstance(fields, str) else fields)
        if self.page_max is None:
            query.pop("pagelen", None)
            return query
        wanted = query.get("pagelen", self.page_max)
        try:
            length = int(str(wanted))
        except ValueError:
            length = 0
        if length < 1:
            raise ValueError(f"pagelen must be a whole number of at least 1, not {wanted!r:.40}")
        query["pagelen"] = min(length, self.page_max)
        return query

    def matches(self, path: str) -> bool:
        """Whether a percent-encoded path below ``/2.0`` is this endpoint's."""
        return bool(self._pattern.fullmatch(path)) and not any(
            _changes_path(unquote(segment)) for segment in path.strip("/").split("/")
        )

    def values_in(self, path: str) -> dict[str, str]:
        """The path parameters of a percent-encoded path below ``/2.0``, decoded; none where it is no such path."""
        found = self._pattern.fullmatch(path)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else {}


def _endpoint(
    name: str,
    path: str,
    *scopes: str,
    page_max: int | None = None,
    method: str = "GET",
    own_rate_limit: bool = False,
) -> Endpoint:
    return Endpoint(name, path, frozenset(scopes), page_max, method, own_rate_limit)


def _webhooks(owner: str, path: str) -> tuple[Endpoint, ...]:
    """The rows for the webhooks of what stands at ``path``. Creating or changing one needs its events' scopes too."""
    one = f"{path}/hooks/{{uid}}"
    return (
        _endpoint(f"{owner}_webhooks", f"{path}/hooks", "webhook", page_max=100),
        _endpoint(f"create_{owner}_webhook", f"{path}/hooks", "webhook", method="POST"),
        _endpoint(f"update_{owner}_webhook", one, "webhook", method="PUT"),
        _endpoint(f"delete_{owner}_webhook", one, "webhook", method="DELETE"),
    )


_WORKSPACE = "/workspaces/{workspace}"
_REPOSITORY = "/repositories/{workspace}/{repo_slug}"

#: name -> endpoint
ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        endpoint.name: endpoint
        for endpoint in (
            # who is asking, and where
            _endpoint("current_user", "/user", "account"),
            _endpoint("workspace_permission", "/user/workspaces/{workspace}/permission", "account"),
            # a workspace and its people
            _endpoint("workspace", _WORKSPACE),
            _endpoint("workspace_members", f"{_WORKSPACE}/members", "account", page_max=100),
            _endpoint("workspace_permissions", f"{_WORKSPACE}/permissions", "account", page_max=100),
            # repositories and their rules
            _endpoint("repositories", "/repositories/{workspace}", "repository", page_max=100),
            _endpoint("repository", _REPOSITORY, "repository"),
            _endpoint("branch_restrictions", f"{_REPOSITORY}/branch-restrictions", "repository:admin", page_max=100),
            _endpoint("effective_branching_model", f"{_REPOSITORY}/effective-branching-model", "repository"),
            # how people work with them; 50 is the most that pull request lists take, 100 is a 400 there
            _endpoint("pull_requests", f"{_REPOSITORY}/pullrequests", "pullrequest", page_max=50),
            _endpoint(
                "pull_request_statuses",
                f"{_REPOSITORY}/pullrequests/{{pull_request_id}}/statuses",
                "pullrequest",
                page_max=100,
            ),
            # not in pages, with a rate limit of its own; documented since October 2026
            _endpoint(
                "pull_request_merge_checks",
                f"{_REPOSITORY}/pullrequests/{{pull_request_id}}/mergeability/checks",
                "pullrequest",
                own_rate_limit=True,
            ),
            _endpoint(
                "effective_default_reviewers", f"{_REPOSITORY}/effective-default-reviewers", "pullrequest", page_max=100
            ),
            _endpoint("branch", f"{_REPOSITORY}/refs/branches/{{name}}", "repository"),
            _endpoint(
                "pull_request_activity",
                f"{_REPOSITORY}/pullrequests/{{pull_request_id}}/activity",
                "pullrequest",
                page_max=50,
            ),
            _endpoint("commit_statuses", f"{_REPOSITORY}/commit/{{commit}}/statuses", "repository", page_max=100),
            _endpoint("pipelines", f"{_REPOSITORY}/pipelines", "pipeline", page_max=100),
            _endpoint("pipelines_config", f"{_REPOSITORY}/pipelines_config", "repository:admin"),
            # where Bitbucket announces changes
            *_webhooks("workspace", _WORKSPACE),
            *_webhooks("repository", _REPOSITORY),
        )
    }
)


def endpoint_named(name: str) -> Endpoint:
    """The endpoint of that name.

    Raises:
        EndpointNotAllowed: there is none.
    """
    try:
        return ENDPOINTS[name]
    except KeyError:
        raise EndpointNotAllowed(
            f"endpoint {name!r:.80} is not in the table of endpoints this client may call: {', '.join(ENDPOINTS)}"
        ) from None
