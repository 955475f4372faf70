"""What a resource is: everything the pipeline has to know about one kind of object of Bitbucket's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bitbucket_cloud.client.endpoints import ENDPOINTS
from bitbucket_compliance.resources.shapes import Shape

Body = dict[str, Any]

ReadAs = Literal["object", "listing", "newest", "collected", "addresses"]
"""How a call is made and what it lands: one object; every object of a listing; the first object of a listing that is
sorted newest first; all objects of a listing as one object, so that an empty listing is known too; the members that a
filter by e-mail address finds."""


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    Attributes:
        name: the value of ``resource`` in landing and staging.coverage, and the name that ``SecurityTest.bases`` uses.
        title: what Bitbucket's documentation calls it.
        endpoint: name in ``bitbucket_cloud``'s table of endpoints, which holds its path and scopes.
        of: what one call is about.
        read_as: see ``ReadAs``.
        fields: all that is asked for of an object, as Bitbucket's partial-response paths.
        shape: what an object must look like to be landed.
        key: the object's key within the workspace, or within its repository; None leaves the object out.
        query: query parameters, given the instant from which behaviour counts.
        table: the staging table that it feeds, by ``pipeline/stage/<table>.sql``; None: no table of its own.
        fills: columns of the published inventory that it decides, as ``table.column``.
        required: what no run can do without it for, as a verb; None: a run goes on where it can't be read.
        may_fail: whether a run goes on all the same where Bitbucket does not answer: what rests on it is an error then.
        asked_after: name of the resource after which it is asked for, where what was read shows that it is needed;
            None: it is always asked for.
        may_be_absent: whether a 404 is an answer: nobody ever configured it.
        identifies: the kind of subject that its objects name; explanations show them beside every verdict.
        announced_by: events of webhooks that tell of a change.
        first_requests: estimate of what it costs at the first reading of a repository; or the policy's number that it
            is at most.
        later_requests: the same for a further reading.
    """

    name: str
    title: str
    endpoint: str
    of: Literal["workspace", "repository"]
    read_as: ReadAs
    fields: tuple[str, ...]
    shape: type[Shape]
    key: Callable[[Body], str | None]
    query: Callable[[datetime], Mapping[str, object]] | None = None
    table: str | None = None
    fills: tuple[str, ...] = ()
    required: str | None = None
    may_fail: bool = False
    asked_after: str | None = None
    may_be_absent: bool = False
    identifies: Literal["repository", "member", "workspace"] | None = None
    announced_by: tuple[str, ...] = ()
    first_requests: float | str = 1.0
    later_requests: float = 1.0

    @property
    def response_fields(self) -> tuple[str, ...]:
        """What a call's parameter ``fields`` names."""
        return self.fields if self.read_as == "object" else tuple(f"values.{name}" for name in self.fields)

    @property
    def on_demand(self) -> bool:
        """Whether it is asked for only where what was read before shows that it is needed."""
        return self.asked_after is not None

    @property
    def scopes(self) -> frozenset[str]:
        """OAuth scopes that reading it takes."""
        return ENDPOINTS[self.endpoint].scopes

    def missing_scopes(self, granted: frozenset[str] | None) -> list[str]:
        """The scopes that it takes and the token lacks; none where the token's scopes are not known."""
        return [] if granted is None else sorted(self.scopes - granted)
