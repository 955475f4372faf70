"""What a resource is: everything the pipeline has to know about one kind of object of Bitbucket's."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from bitbucket_cloud.client.endpoints import ENDPOINTS
from bitbucket_compliance.resources.shapes import Shape

Body = dict[str, Any]
_Names = dict[str, "_Names"]

ReadAs = Literal["object", "of_pull_request", "listing", "newest", "newest_pages", "collected", "addresses"]
"""How a call is made and what it lands: one object; one object with the number of the pull request that it is about;
every object of a listing; the first object of a listing that is sorted newest first; the objects of its first pages
as one object, which says whether they are all; all objects of a listing as one object, so that an empty listing is
known too; the members that a filter by e-mail address finds."""


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    Attributes:
        name: the value of ``resource`` in landing and staging.coverage, and the name that ``SecurityTest.bases`` uses.
        title: what Bitbucket's documentation calls it.
        endpoint: name in ``bitbucket_cloud``'s table of endpoints, which holds its path and scopes.
        of: what one call is about.
        read_as: see ``ReadAs``.
        fields: what is asked for of an object, its ``owner`` apart, as Bitbucket's partial-response paths.
        shape: what an object must look like to be landed.
        key: the object's key within the workspace, or within its repository; None leaves the object out.
        owner: path in each object to the uuid of the repository (``of`` a workspace: the workspace) that it belongs to,
            asked for too; None: its objects don't say.
        sort: the field that its listing is sorted by, where Bitbucket can: one that never changes, so that no change of
            an object moves it to another page while pages are read.
        query: further query parameters, given the instant from which behaviour counts.
        table: the staging table that it feeds, by ``pipeline/stage/<table>.sql``; None: no table of its own.
        fills: columns of the published inventory that it decides, as ``table.column``.
        required: what no run can do without it for, as a verb; None: a run goes on where it can't be read.
        may_fail: whether a run goes on all the same where Bitbucket does not answer: what rests on it is an error then.
        asked_after: name of the resource after which it is asked for, where what was read shows that it is needed;
            None: it is always asked for.
        may_be_absent: whether a 404 is an answer: nobody ever configured it.
        may_be_unread: whether verdicts are reached without it where it can't be read: no error, and no reason to ask
            again before the repository is due.
        identifies: the kind of subject that its objects name; explanations show them beside every verdict.
        announced_by: events of webhooks that tell of a change.
        pages: how many pages ``newest_pages`` reads.
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
    sort: str | None = None
    owner: str | None = None
    query: Callable[[datetime], Mapping[str, object]] | None = None
    table: str | None = None
    fills: tuple[str, ...] = ()
    required: str | None = None
    may_fail: bool = False
    asked_after: str | None = None
    may_be_absent: bool = False
    may_be_unread: bool = False
    identifies: Literal["repository", "member", "workspace"] | None = None
    announced_by: tuple[str, ...] = ()
    pages: int = 1
    first_requests: float | str = 1.0
    later_requests: float = 1.0

    @property
    def asked_fields(self) -> tuple[str, ...]:
        """All that is asked for of an object."""
        return tuple(dict.fromkeys((*self.fields, *([self.owner] if self.owner else []))))

    @property
    def response_fields(self) -> tuple[str, ...]:
        """What a call's parameter ``fields`` names."""
        is_object = self.read_as in ("object", "of_pull_request")
        return self.asked_fields if is_object else tuple(f"values.{one}" for one in self.asked_fields)

    def owner_of(self, body: Body) -> str | None:
        """The uuid that an object names as its owner's, in lower case; None where it names none."""
        found: Any = body
        for name in (self.owner or "").split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return found.lower() if isinstance(found, str) else None

    def kept(self, body: Body, *, with_owner: bool = False) -> Body:
        """Of an object what was asked for, whatever came: a link may lose ``fields`` on the way.

        Whose it is stays with it until that was looked at.
        """
        kept: Body = _kept(body, self._names_with_owner if with_owner else self._names)
        return kept

    @cached_property
    def _names(self) -> _Names:
        return _nested(self.fields)

    @cached_property
    def _names_with_owner(self) -> _Names:
        return _nested(self.asked_fields)

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


def _nested(fields: Iterable[str]) -> _Names:
    names: _Names = {}
    for field in fields:
        inner = names
        for name in field.split("."):
            inner = inner.setdefault(name, {})
    return names


def _kept(value: Any, names: _Names) -> Any:
    """Of a value the fields of these names, in lists of each object; all of it where no names are given."""
    if not names:
        return value
    if isinstance(value, list):
        return [_kept(one, names) for one in value]
    if isinstance(value, dict):
        return {name: _kept(value[name], inner) for name, inner in names.items() if name in value}
    return value
