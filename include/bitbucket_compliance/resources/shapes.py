"""The shape that each kind of object must have to be landed; what hasn't is as good as not read.

Only fields that staging uses are looked at. What Bitbucket may leave out or set to null may be missing here too; what
decides a verdict (a rule's id and kind, a merge's branch, state and date) may not: an object without it could hide a
violation.
"""

import re
from datetime import MAXYEAR, UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)")


def _instant(text: str) -> str:
    if not _INSTANT.fullmatch(text) or datetime.fromisoformat(text).utcoffset() is None:
        raise ValueError("no point in time with its offset from UTC")
    try:
        is_in_calendar = datetime.fromisoformat(text).astimezone(UTC).year < MAXYEAR
    except OverflowError:
        is_in_calendar = False
    if not is_in_calendar:
        # In UTC, or some days later, it would be a time that nobody can reckon with.
        raise ValueError("a point in time at the end of the calendar")
    return text


Instant = Annotated[str, AfterValidator(_instant)]
BigInt = Annotated[int, Field(ge=0, lt=2**63)]


class Shape(BaseModel):
    """Base of all shapes: types are taken as they are written, further fields are nobody's business."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Account(Shape):
    uuid: str | None = None
    account_id: str | None = None
    display_name: str | None = None
    nickname: str | None = None
    type: str | None = None
    email: str | None = None


class _KnownAccount(_Account):
    uuid: str


class _Named(Shape):
    name: str | None = None


class _Key(Shape):
    key: str | None = None


class _Workspace(Shape):
    uuid: str | None = None
    slug: str | None = None
    name: str | None = None


class Workspace(_Workspace):
    """The workspace itself."""

    uuid: str


class Repository(Shape):
    """Of the workspace's listing."""

    uuid: str
    slug: str | None = None
    name: str | None = None
    full_name: str | None = None
    is_private: bool | None = None
    language: str | None = None
    mainbranch: _Named | None = None
    project: _Key | None = None
    created_on: Instant | None = None
    updated_on: Instant | None = None
    size: BigInt | None = None
    workspace: _Workspace | None = None


class Member(Shape):
    """Of the workspace's members, also where they are filtered by address, and of their roles.

    An account that was closed leaves a membership without user: nobody to judge, left out and told by the gate. Whether
    a null that was asked for comes, or is left out, is Bitbucket's choice.
    """

    user: _KnownAccount | None = None
    permission: str | None = None
    added_on: Instant | None = None
    last_accessed: Instant | None = None
    workspace: _Workspace | None = None


class Restriction(Shape):
    """A branch restriction; its kind is an open enum."""

    id: BigInt
    kind: str
    branch_match_kind: str | None = None
    pattern: str | None = None
    branch_type: str | None = None
    value: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    users: list[_Account] | None = None
    groups: list[dict[str, Any]] | None = None


class _Branch(Shape):
    name: str


class _Destination(Shape):
    branch: _Branch


class _Commit(Shape):
    hash: str | None = None


class _Participant(Shape):
    approved: bool | None = None
    user: _Account | None = None


class PullRequest(Shape):
    """Open, or merged within the window.

    One without participants may be landed: it leaves open who approved, and that concerns one test alone.
    """

    id: BigInt
    state: str
    draft: bool | None = None
    author: _Account | None = None
    destination: _Destination
    created_on: Instant | None = None
    updated_on: Instant
    closed_by: _Account | None = None
    merge_commit: _Commit | None = None
    participants: list[_Participant] | None = None


class _CheckDefinition(Shape):
    kind: str


Threshold = Annotated[int, Field(ge=0, lt=2**31)]
#: What every answer about the merge checks of a pull request holds.
ALWAYS_CHECKED = frozenset({"pullrequest_state_check", "current_user_permission_check", "git_mergeability_check"})
STANDARD_CHECK = "standard_merge_check"
# The kinds of check that a verdict or the inventory looks at; of any other only its type and kind have to be there.
DECIDING_CHECKS = re.compile(r"minimum_(\w+_)?approvals|minimum_successful_builds")


class MergeCheck(Shape):
    """One check; only a standard one, which a branch restriction stands behind, is looked at further."""

    type: str
    required: Any = None
    check: Any = None
    requirement: Any = None

    @model_validator(mode="after")
    def _standard_ones_are_whole(self) -> "MergeCheck":
        if self.type != STANDARD_CHECK:
            return self
        kind = _CheckDefinition.model_validate(self.check).kind
        if DECIDING_CHECKS.fullmatch(kind):
            _Requirement.model_validate({"required": self.required, "by_kind": self.requirement})
            if self.requirement and kind not in self.requirement:
                raise ValueError("a requirement is keyed by the kind of its check")
        return self


class _Requirement(Shape):
    required: bool
    by_kind: dict[str, Threshold | None] | None


class MergeChecks(Shape):
    """Of a pull request: all in one answer. One without what every answer holds says nothing of the others."""

    size: int | None = None
    next: None = None
    values: list[MergeCheck]

    @model_validator(mode="after")
    def _is_whole(self) -> "MergeChecks":
        if not {one.type for one in self.values} >= ALWAYS_CHECKED:
            raise ValueError("a kind of check is missing that every answer holds")
        if self.size not in (None, len(self.values)):
            raise ValueError("not all checks are there")
        return self


class DefaultReviewer(Shape):
    """Of a repository, its own or handed down by its project."""

    user: _Account | None = None


class Branch(Shape):
    """One branch."""

    name: str | None = None


class BuildStatus(Shape):
    """Of a pull request."""

    key: str | None = None
    state: str
    created_on: Instant | None = None


class _Update(Shape):
    state: str | None = None
    date: Instant | None = None


class Activity(Shape):
    """One entry of what happened to a pull request; other entries than updates are empty."""

    update: _Update | None = None


class _Source(Shape):
    commit: _Commit | None = None


class _SampledUpdate(_Update):
    author: _Account | None = None
    source: _Source | None = None


class _Approval(Shape):
    date: Instant
    user: _Account | None = None


class SampledActivity(Shape):
    """One entry of what happened to a sampled pull request; other entries than updates and approvals are empty."""

    update: _SampledUpdate | None = None
    approval: _Approval | None = None


class SampledStatus(BuildStatus):
    """Of the commit that merged a sampled pull request."""

    updated_on: Instant | None = None


class _State(_Named):
    result: _Named | None = None


class Pipeline(Shape):
    """A pipeline run."""

    uuid: str
    build_number: BigInt | None = None
    state: _State | None = None
    created_on: Instant
    completed_on: Instant | None = None


class PipelinesConfig(Shape):
    """Whether Pipelines is switched on."""

    enabled: bool | None = None


class _ModelBranch(Shape):
    name: str | None = None
    use_mainbranch: bool | None = None


class _BranchType(Shape):
    kind: str | None = None
    prefix: str | None = None


class BranchingModel(Shape):
    """The effective branching model."""

    development: _ModelBranch | None = None
    production: _ModelBranch | None = None
    branch_types: list[_BranchType] | None = None


class Role(Shape):
    """The identity's own role, and the workspace that it is in."""

    permission: str | None = None
    workspace: _Workspace | None = None
