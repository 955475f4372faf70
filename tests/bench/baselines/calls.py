"""What the baselines ask: the same calls as ours, with the same fields or with none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bitbucket_compliance.resources import catalogue
from bitbucket_compliance.resources.model import Resource
from tests.bench.baselines.contender import WORKSPACE

API = "/2.0"
WINDOW_DAYS = 90


@dataclass(frozen=True)
class Asked:
    """One call: what is landed, where it stands, how it is asked."""

    resource: Resource
    path: str
    params: Mapping[str, str | int]
    listing: bool = True

    def query(self, *, trimmed: bool) -> dict[str, str | int]:
        """The query parameters; trimmed: with the fields that our extraction names."""
        paging = ("next", "size") if self.listing else ()
        fields = {"fields": ",".join((*self.resource.response_fields, *paging))} if trimmed else {}
        return {**self.params, **fields}


def _recent() -> str:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = (midnight - timedelta(days=WINDOW_DAYS)).isoformat()
    return f'state = "OPEN" OR (state = "MERGED" AND updated_on >= {since})'


REPOSITORIES = Asked(catalogue.REPOSITORIES, f"/repositories/{WORKSPACE}", {"pagelen": 100})
OF_WORKSPACE = (
    Asked(catalogue.MEMBERS, f"/workspaces/{WORKSPACE}/members", {"pagelen": 100}),
    Asked(catalogue.MEMBER_ROLES, f"/workspaces/{WORKSPACE}/permissions", {"pagelen": 100}),
)
_REPOSITORY = f"/repositories/{WORKSPACE}/{{slug}}"
OF_REPOSITORY = (
    Asked(catalogue.BRANCH_RESTRICTIONS, f"{_REPOSITORY}/branch-restrictions", {"pagelen": 100}),
    Asked(catalogue.PULL_REQUESTS, f"{_REPOSITORY}/pullrequests", {"pagelen": 50, "q": _recent()}),
    Asked(catalogue.PIPELINES_CONFIG, f"{_REPOSITORY}/pipelines_config", {}, listing=False),
    Asked(catalogue.LATEST_PIPELINE, f"{_REPOSITORY}/pipelines", {"pagelen": 1, "sort": "-created_on"}, listing=False),
)
