"""The policy of a workspace: what it changes on top of the defaults and the file, kept with its history.

Three layers, each over the one before: the policy as delivered, the file named by ``COMPLIANCE_POLICY_FILE``, the
newest row of ``registry.policy_overrides`` for the workspace that holds. Rows are only ever added; one that changes
nothing (``{}``) takes the ones before it back. One that asks for more than the policy before it holds at once; one that
asks for less (``model.weakened``) is a proposal, and holds once somebody else has accepted it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.audit import record
from bitbucket_compliance.core.database import Connection, one_row
from bitbucket_compliance.core.errors import PolicyInvalid, PolicyRefused
from bitbucket_compliance.core.persons import known_form, why_not_another
from bitbucket_compliance.policy.model import Policy, contradictions, merged, weakened

FILE_SOURCE = "COMPLIANCE_POLICY_FILE"
DECISIONS: Mapping[str, str] = {"accept": "accepted", "reject": "rejected", "withdraw": "withdrawn"}


@dataclass(frozen=True)
class Override:
    """What somebody changed in the policy of a workspace, until when it stood, who accepted it if it asked for less."""

    workspace: str
    body: Mapping[str, Any]
    set_by: str
    set_at: datetime
    reason: str | None
    valid_from: datetime
    valid_to: datetime | None
    accepted_by: str | None = None


@dataclass(frozen=True)
class Proposal:
    """A policy that asks for less than the one in force, and waits for somebody else.

    Attributes:
        lowers: the keys by which it asks for less.
    """

    override_id: int
    workspace: str
    body: Mapping[str, Any]
    set_by: str
    set_at: datetime
    reason: str | None
    lowers: list[str]


@dataclass(frozen=True)
class Change:
    """A key whose value would be another one, and whether that asks for less."""

    key: str
    value: Any
    would_be: Any
    asks_for_less: bool


@dataclass(frozen=True)
class Plan:
    """What a change of a workspace's policy would do.

    Attributes:
        body: the changes as the policy understood them, which take the place of all that was set before.
        before: what is set now.
        on: version of the policy in force, which the change was compared with.
        changes: the keys with another value than in force.
    """

    body: Mapping[str, Any]
    before: Any
    on: str
    changes: tuple[Change, ...]

    @property
    def lowers(self) -> list[str]:
        """The keys by which it asks for less, so that it waits for somebody else."""
        return [change.key for change in self.changes if change.asks_for_less]


@dataclass(frozen=True)
class Difference:
    """A key of the policy in force that is not as delivered."""

    key: str
    value: Any
    default: Any
    source: str


def policy_of(connection: Connection, workspace: str, base: Policy) -> Policy:
    """The policy that is in force for a workspace now. Joins the caller's transaction.

    Args:
        base: what holds where the workspace changes nothing.

    Raises:
        PolicyInvalid: the file, or what stands in the registry for the workspace, holds something unknown.
    """
    body = _body_in_force(connection, workspace)
    if not body and isinstance(body, dict):
        return base
    name = plain(workspace)
    try:
        if not isinstance(body, dict):
            raise PolicyInvalid(f"workspace {name}: must be a mapping with the keys tests and thresholds")
        return merged(base, body, f"workspace {name}")
    except PolicyInvalid as invalid:
        raise PolicyInvalid(
            f"{invalid}; set it anew with `make policy WORKSPACE={name} FILE=overrides.yaml REASON=…`, "
            "an empty file takes it back"
        ) from invalid


def plan_override(connection: Connection, workspace: str, changes: Mapping[str, Any], base: Policy) -> Plan:
    """What ``set_override`` would do with these changes now; writes nothing.

    Raises:
        PolicyInvalid: a key or value is not known, or thresholds contradict each other.
    """
    name = plain(workspace)
    if not name:
        raise PolicyInvalid("no workspace was named for the policy; give its slug")
    if "evidence" in changes:
        raise PolicyInvalid(f"workspace {name}: evidence: an import is for all workspaces; set it in the policy file")
    policy = merged(base, changes, f"workspace {name}")
    new = [told for told in contradictions(policy) if told not in contradictions(base)]
    if new:
        raise PolicyInvalid(f"workspace {name}: {new[0]}")
    body = _as_read(changes, policy.model_dump(mode="json"))
    if "\\u0000" in json.dumps(body):
        raise PolicyInvalid(f"workspace {name}: a value holds a character that can't be kept (NUL); take it out")
    in_force = _standing(connection, name, base)
    lowers, would_be = weakened(in_force, policy), flat(policy)
    changed = (
        Change(key, value, would_be[key], key in lowers)
        for key, value in flat(in_force).items()
        if value != would_be[key]
    )
    return Plan(body, _body_in_force(connection, name), in_force.version, tuple(changed))


def set_override(
    connection: Connection,
    workspace: str,
    changes: Mapping[str, Any],
    base: Policy,
    *,
    set_by: str,
    reason: str | None = None,
    on: str | None = None,
) -> Proposal | None:
    """Let a workspace's policy differ from the defaults from its next run on; commits nothing.

    ``changes`` takes the place of everything that was set before; empty takes it back. What is in force already is
    not noted again.

    Args:
        changes: keys below ``tests`` and ``thresholds``. base: what holds where the workspace changes nothing.
        set_by: who decides so; see ``core.persons``. reason: why.
        on: version of the policy that has to be in force, since the changes were shown on top of it; None: whichever.

    Returns:
        None: it is in force. Where it asks for less than what is in force: the proposal, which changes nothing yet.

    Raises:
        PolicyInvalid: a key or value is not known, or thresholds contradict each other; nothing is stored.
        PolicyRefused: another policy is in force than ``on``.
        PersonUnclear: ``set_by`` names nobody.
    """
    name = plain(workspace)
    _lock(connection)
    plan = plan_override(connection, name, changes, base)
    if on is not None and on != plan.on:
        raise PolicyRefused("another policy came into force since this was shown; look at it and change it anew")
    if plan.body == plan.before:
        return None
    row = one_row(
        connection.execute(
            "INSERT INTO registry.policy_overrides (workspace, body, set_by, reason, lowers)"
            " VALUES (%s, %s, %s, %s, %s) RETURNING *",
            (name, Jsonb(plan.body), known_form(set_by), reason, plan.lowers),
        )
    )
    action = "policy.proposed" if plan.lowers else "policy.set"
    after = {"policy": row["override_id"], "changes": plan.body, "reason": reason}
    record(connection, set_by, action, f"workspace {name}", {"changes": plan.before}, after)
    return Proposal(**row) if plan.lowers else None


def decide(
    connection: Connection,
    override_id: int,
    decision: str,
    base: Policy,
    *,
    decided_by: str,
    reason: str | None = None,
) -> Proposal:
    """Accept or reject a policy that asks for less, as somebody other than who proposed it; or withdraw it.

    Args:
        decision: ``accept``, ``reject`` or ``withdraw``; the latter two need a reason.
        base: what holds where the workspace changes nothing. decided_by: see ``core.persons``.

    Raises:
        PolicyRefused: says why this can't be decided so; nothing is stored then.
        PersonUnclear: ``decided_by`` names nobody.
    """
    if decision not in DECISIONS:
        raise PolicyRefused(f"there is no decision {decision!r}; decide {', '.join(DECISIONS)}")
    if decision != "accept" and not (reason or "").strip():
        raise PolicyRefused(f"a reason is missing; say why policy {override_id} is {DECISIONS[decision]}")
    with connection.transaction():
        _lock(connection)
        proposal = _waiting(connection, override_id)
        in_force = _standing(connection, proposal.workspace, base)
        before = {"changes": _body_in_force(connection, proposal.workspace)}
        why = None if decision == "withdraw" else why_not_another(known_form(decided_by), [proposal.set_by])
        if why and not in_force.thresholds.allow_self_review:
            raise PolicyRefused(f"policy {override_id} was proposed by {proposal.set_by}: {why}")
        connection.execute(
            "INSERT INTO registry.policy_decisions"
            " (override_id, decision, decided_by, reason, policy_version, self_review) VALUES (%s, %s, %s, %s, %s, %s)",
            (override_id, DECISIONS[decision], decided_by, reason, keep_version(connection, in_force), why is not None),
        )
        after = {"policy": override_id, "changes": proposal.body, "lowers": proposal.lowers, "reason": reason}
        action = f"policy.{DECISIONS[decision]}"
        record(connection, decided_by, action, f"workspace {proposal.workspace}", before, after)
    return proposal


def proposals(connection: Connection, workspace: str = "") -> list[Proposal]:
    """The policies that wait for somebody to decide, the newest first; empty: of every workspace."""
    rows = connection.execute(
        "SELECT override_id, workspace, body, set_by, set_at, reason, lowers FROM registry.policy_states"
        " WHERE status = 'proposed' AND %(workspace)s::text IN ('', workspace) ORDER BY override_id DESC",
        {"workspace": plain(workspace)},
    )
    return [Proposal(**row) for row in rows]


def keep_version(connection: Connection, policy: Policy) -> str:
    """Keep what a policy says under its version; returns the version. Joins the caller's transaction."""
    connection.execute(
        "INSERT INTO registry.policy_versions (policy_version, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (policy.version, Jsonb(policy.model_dump(mode="json"))),
    )
    return policy.version


def _lock(connection: Connection) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('compliance policy', 0))")


def _standing(connection: Connection, workspace: str, base: Policy) -> Policy:
    """What is in force; what became invalid since it was set holds nothing any more that a new policy could lower."""
    try:
        return policy_of(connection, workspace, base)
    except PolicyInvalid:
        return base


def _waiting(connection: Connection, override_id: int) -> Proposal:
    row = connection.execute("SELECT * FROM registry.policy_states WHERE override_id = %s", (override_id,)).fetchone()
    if row is None or (row["status"] == "set" and not row["lowers"]):
        raise PolicyRefused(f"there is no proposed policy {override_id}; `make policy WORKSPACE=slug` shows what waits")
    if row["status"] == "overtaken":
        raise PolicyRefused(
            f"policy {override_id} was proposed as a change of a policy that is no longer in force; propose it again"
        )
    if row["status"] != "proposed":
        raise PolicyRefused(
            f"policy {override_id} was decided already, by {row['decided_by']} at {row['decided_at']:%Y-%m-%d %H:%M}; "
            "propose it anew"
        )
    return Proposal(**{name: row[name] for name in Proposal.__dataclass_fields__})


def history(connection: Connection, workspace: str) -> list[Override]:
    """Everything that ever held for a workspace, the newest first."""
    rows = connection.execute(
        "SELECT workspace, body, set_by, set_at, reason, valid_from, valid_to, accepted_by FROM registry.policy_history"
        " WHERE workspace = %s ORDER BY override_id DESC",
        (plain(workspace),),
    )
    return [Override(**row) for row in rows]


def differences(connection: Connection, workspace: str, delivered: Policy, base: Policy) -> list[Difference]:
    """The keys of a workspace's policy that are not as delivered, each with the layer that decided it.

    Args:
        base: ``delivered``, with what the file of ``COMPLIANCE_POLICY_FILE`` changes.

    Raises:
        PolicyInvalid: as ``policy_of``.
    """
    defaults = flat(delivered)
    of_file = flat(base)
    in_force = flat(policy_of(connection, workspace, base))
    body = _body_in_force(connection, workspace)
    set_here = set(flat_changes(body))
    return [
        Difference(key, value, defaults[key], f"workspace {plain(workspace)}" if key in set_here else FILE_SOURCE)
        for key, value in in_force.items()
        if value != defaults[key] or (key in set_here and value != of_file[key])
    ]


def plain(workspace: str) -> str:
    """A workspace's name as it is compared: lower case, trimmed."""
    return workspace.strip().lower()


def _body_in_force(connection: Connection, workspace: str) -> Any:
    row = connection.execute(
        "SELECT body FROM registry.policy_history WHERE workspace = %s AND in_force",
        (plain(workspace),),
    ).fetchone()
    return {} if row is None else row["body"]


def _as_read(changes: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as the policy understood them, without keys that hold nothing."""
    read = {
        key: _as_read(change, policy[key]) if isinstance(policy[key], dict) else policy[key]
        for key, change in changes.items()
        if change is not None
    }
    return {key: value for key, value in read.items() if value != {}}


def flat(policy: Policy) -> dict[str, Any]:
    """Every key of a policy, as ``thresholds.min_approvals``, with its value."""
    return dict(_flat(policy.model_dump(mode="json")))


def flat_changes(body: Any) -> dict[str, Any]:
    """The keys that an override names, as ``thresholds.min_approvals``, with its values."""
    return dict(_flat(body)) if isinstance(body, dict) else {}


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
