"""What lists don't carry of the pull requests that a sample draws: their activity, the builds of their merges."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import PipelineError, one_line
from bitbucket_compliance.pipeline.extract.fetch import Call, Client, not_worth_asking, read
from bitbucket_compliance.pipeline.extract.landing.results import FAILED, OK, CallResult
from bitbucket_compliance.pipeline.extract.landing.writer import LandingWriter
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.catalogue import SAMPLED_ACTIVITY, SAMPLED_STATUSES
from bitbucket_compliance.resources.model import Body
from bitbucket_compliance.security_tests.policies import policy_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SampledMerge:
    """A pull request that a sample drew.

    Attributes:
        commit_hash: of the commit that merged it, as far as lists give it; None: not told.
    """

    repository_id: str
    slug: str
    number: int
    commit_hash: str | None


@dataclass
class MergeRead:
    """What was read of one.

    Attributes:
        activity, statuses: as landed; None: not read.
        problems: why something could not be read, a sentence each.
        requests: what both calls cost.
    """

    activity: Body | None = None
    statuses: Body | None = None
    problems: list[str] = field(default_factory=list)
    requests: int = 0
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def read_sampled(
    connection: Connection, workspace: str, client: Client, merges: Iterable[SampledMerge]
) -> dict[tuple[str, int], MergeRead]:
    """Read and land them, two calls each; by repository and number. What fails is told, and the others go on.

    Where no request may be sent any more, or nobody answers, the rest is told as not read for that reason. Commits.
    """
    policy = policy_of(connection, workspace)
    # A run of its own in the landing tables: its calls are told apart from those of every other one.
    run = Run(workspace, f"audit_sample__{uuid4()}", datetime.now(UTC), False, policy, policy.version, None)
    writer = LandingWriter(connection, run)
    found: dict[tuple[str, int], MergeRead] = {}
    stopped = ""
    connection.commit()
    for merge in merges:
        own = found[merge.repository_id, merge.number] = MergeRead()
        for call in _calls(run, merge, own):
            if stopped:
                own.problems.append(stopped)
                continue
            try:
                result = _asked(client, call)
            except PipelineError as error:
                stopped = f"not asked: {one_line(error)}"
                log.warning("the rest of the sample is not read: %s", one_line(error))
                own.problems.append(stopped)
                continue
            _take(own, result)
            writer.add(result)
    writer.flush()
    return found


def _calls(run: Run, merge: SampledMerge, own: MergeRead) -> Iterator[Call]:
    # By uuid, which Bitbucket takes in the slug's place: the slug may be another repository's by now.
    path = {"workspace": run.workspace, "repo_slug": merge.repository_id}
    item = str(merge.number)
    activity = {**path, "pull_request_id": item}
    yield Call(SAMPLED_ACTIVITY, activity, merge.repository_id, item, slug=merge.slug)
    if merge.commit_hash:
        statuses = {**path, "commit": merge.commit_hash}
        yield Call(SAMPLED_STATUSES, statuses, merge.repository_id, item, slug=merge.slug)
    else:
        own.problems.append("the commit that merged it is not known")


def _asked(client: Client, call: Call) -> CallResult:
    missing = call.resource.missing_scopes(client.granted_scopes)
    return not_worth_asking(call, missing) if missing else read(client, call)


def _take(own: MergeRead, result: CallResult) -> None:
    own.requests += result.requests
    own.read_at = result.fetched_at
    if result.outcome != OK:
        what = "its activity" if result.resource == SAMPLED_ACTIVITY.name else "builds of the commit that merged it"
        why = result.message or ("it failed" if result.outcome == FAILED else result.outcome.replace("_", " "))
        own.problems.append(f"{what}: {one_line(why)}")
        return
    body = result.objects[0][1]
    if result.resource == SAMPLED_ACTIVITY.name:
        own.activity = body
    else:
        own.statuses = body
