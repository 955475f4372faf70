"""The policy of a workspace: what it changes on top of the defaults and the file, kept with its history.

Three layers, each over the one before: the policy as delivered, the file named by ``COMPLIANCE_POLICY_FILE``, the
newest row of ``registry.policy_overrides`` for the workspace. Rows are only ever added; one that changes nothing
(``{}``) takes the ones before it back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import PolicyInvalid
from bitbucket_compliance.policy.model import Policy, contradictions, merged

FILE_SOURCE = "COMPLIANCE_POLICY_FILE"


@dataclass(frozen=True)
class Override:
    """What somebody changed in the policy of a workspace, and until when it stood."""

    workspace: str
    body: Mapping[str, Any]
    set_by: str
    set_at: datetime
    reason: str | None
    valid_to: datetime | None


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


def set_override(
    connection: Connection,
    workspace: str,
    changes: Mapping[str, Any],
    base: Policy,
    *,
    set_by: str,
    reason: str | None = None,
) -> Policy:
    """Let a workspace's policy differ from the defaults from its next run on; commits nothing.

    ``changes`` takes the place of everything that was set before; empty takes it back. What is in force already is
    not noted again.

    Args:
        changes: keys below ``tests`` and ``thresholds``. base: what holds where the workspace changes nothing.
        set_by: who decides so. reason: why.

    Returns:
        The policy that is in force then.

    Raises:
        PolicyInvalid: a key or value is not known, or thresholds contradict each other; nothing is stored.
    """
    name = plain(workspace)
    if not name:
        raise PolicyInvalid("a policy was set for no workspace; give its slug")
    policy = merged(base, changes, f"workspace {name}")
    new = [told for told in contradictions(policy) if told not in contradictions(base)]
    if new:
        raise PolicyInvalid(f"workspace {name}: {new[0]}")
    body = _as_read(changes, policy.model_dump(mode="json"))
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('compliance policy', 0))")
    if body != _body_in_force(connection, name):
        connection.execute(
            "INSERT INTO registry.policy_overrides (workspace, body, set_by, reason) VALUES (%s, %s, %s, %s)",
            (name, Jsonb(body), set_by, reason),
        )
    return policy


def history(connection: Connection, workspace: str) -> list[Override]:
    """Everything that was ever set for a workspace, the newest first."""
    rows = connection.execute(
        "SELECT workspace, body, set_by, set_at, reason, valid_to FROM registry.policy_history"
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
    set_here = {key for key, _ in _flat(body)} if isinstance(body, dict) else set()
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
        "SELECT body FROM registry.policy_overrides WHERE lower(btrim(workspace)) = %s"
        " ORDER BY override_id DESC LIMIT 1",
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


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
