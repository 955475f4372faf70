"""Draw a sample: the same one each time, as long as the population, the seed and the policy are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.reporting.audit.model import AuditRequest
from bitbucket_compliance.reporting.audit.parts import Part
from bitbucket_compliance.reporting.audit.sizes import Sizes, sizes_of
from bitbucket_compliance.security_tests.policies import load_policy

_FOLDER: Final = Path(__file__).parent
SAMPLE: Final = Part(
    "sample",
    "Changes that were drawn as a sample",
    "compliance.changes",
    {
        "place": "Its place in the sample.",
        "sample_key": "What it was drawn by.",
        "draw_digest": "SHA-256 of the seed, a colon and its key, hex: the first ones in its order were drawn.",
        "approved_at": "When a peer approved it last before the merge, by its activity.",
        "approvers": "Peers who had approved it by then: no author, no account of the policy's not_peers.",
        "changed_last_at": "When the last commit that was merged came to it.",
        "changed_last_by": "Who brought it.",
        "merged_at": "When it was merged, by its activity.",
        "merge_made_by": "By whom.",
        "approvals_after_last_change": "How many peers approved it after its last change.",
        "approved_before_last_change": "yes: every approval came before its last change; no: one came after it; not"
        " approved: by no peer; not known: see not_known_because. Empty: a push.",
        "statuses": "Builds of the commit that merged it, as a JSON array; empty: not read.",
        "not_known_because": "What is not known, and why.",
        "read_at": "When its activity and builds were read.",
    },
)


@dataclass(frozen=True)
class Drawn:
    """A sample.

    Attributes:
        population: how many it was drawn from.
        keys: what its query is given.
        rows: of the sample, in their places.
    """

    population: int
    sizes: Sizes
    keys: Mapping[str, Any]
    rows: list[dict[str, Any]]


def draw(connection: Connection, request: AuditRequest) -> Drawn:
    """The sample of changes that the request asks for; joins the caller's transaction."""
    population = one_row(run_sql(connection, _FOLDER / "population.sql", request.keys))
    sizes = sizes_of(connection, request)
    seed = request.seed or population["digest"]
    keys = {**request.keys, "seed": seed, "size": sizes.of(population["population"]), "reads": "[]"}
    return Drawn(population["population"], sizes, keys, connection.execute(SAMPLE.query, keys).fetchall())


def not_peers_of(connection: Connection, request: AuditRequest) -> frozenset[str]:
    """Accounts whose approvals count for nothing, in lower case, by the policy at the end of the period."""
    policy = run_sql(connection, _FOLDER / "sample_policy.sql", request.keys).fetchone()
    named = ((policy and policy["thresholds"]) or {}).get("not_peers", load_policy().thresholds["not_peers"])
    found = connection.execute("SELECT judging.not_peers(%s, %s::text[]) AS found", (request.workspace, named))
    return frozenset(one_row(found)["found"])
