"""The policy in force: what each test of the catalogue is by default, with what was changed on top of it.

``bitbucket_compliance.policy`` does the work and knows no test; here it is told which tests there are.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.policy import model, overrides
from bitbucket_compliance.policy.model import Policy
from bitbucket_compliance.policy.overrides import Difference, Plan, Proposal
from bitbucket_compliance.security_tests import CATALOGUE

#: The policy where nobody changed anything.
DELIVERED: Final[Policy] = model.delivered(CATALOGUE)


@dataclass(frozen=True)
class Key:
    """A key of the policy, as ``thresholds.min_approvals``, with its default and what it means."""

    name: str
    default: Any
    meaning: str


def load_policy(override: Path | None = None) -> Policy:
    """The policy of no workspace in particular: as delivered, with what ``override`` changes.

    Args:
        override: a YAML file; None: the one that ``COMPLIANCE_POLICY_FILE`` names, where it names one.

    Raises:
        PolicyInvalid: the file is missing or no YAML mapping, or holds something unknown; names file and key.
    """
    named = os.environ.get(model.OVERRIDE_VARIABLE, "").strip()
    path = override or (Path(named).expanduser() if named else None)
    return DELIVERED if path is None else model.merged(DELIVERED, model.read_changes(path), str(path))


def policy_of(connection: Connection, workspace: str | None) -> Policy:
    """The policy that is in force for a workspace now; for None the one of no workspace in particular.

    Joins the caller's transaction.

    Raises:
        PolicyInvalid: the file, or what stands in the registry for the workspace, holds something unknown.
    """
    base = load_policy()
    return base if workspace is None else overrides.policy_of(connection, workspace, base)


def plan_override(connection: Connection, workspace: str, changes: Mapping[str, Any]) -> Plan:
    """What changes of a workspace's policy would do; see ``policy.overrides.plan_override``."""
    return overrides.plan_override(connection, workspace, changes, load_policy())


def set_override(
    connection: Connection,
    workspace: str,
    changes: Mapping[str, Any],
    *,
    set_by: str,
    reason: str | None = None,
    on: str | None = None,
) -> Proposal | None:
    """Let a workspace's policy differ from its next run on; see ``policy.overrides.set_override``."""
    return overrides.set_override(connection, workspace, changes, load_policy(), set_by=set_by, reason=reason, on=on)


def decide(
    connection: Connection, override_id: int, decision: str, *, decided_by: str, reason: str | None = None
) -> Proposal:
    """Decide on a policy that asks for less; see ``policy.overrides.decide``."""
    return overrides.decide(connection, override_id, decision, load_policy(), decided_by=decided_by, reason=reason)


def differences(connection: Connection, workspace: str) -> list[Difference]:
    """The keys of a workspace's policy that are not as delivered; see ``policy.overrides.differences``."""
    return overrides.differences(connection, workspace, DELIVERED, load_policy())


def recorded(body: Mapping[str, Any]) -> Policy:
    """The policy that ``registry.policy_versions`` keeps."""
    return type(DELIVERED).model_validate(body)


def keys() -> Iterator[Key]:
    """Every key there is, in the order of the catalogue."""
    for test in CATALOGUE:
        yield Key(f"tests.{test.test_id}.enabled", test.enabled, f"Whether to judge: {test.title}.")
        yield Key(f"tests.{test.test_id}.severity", test.severity, f"How severe a failure is: {test.title}.")
    for name, field in type(DELIVERED.thresholds).model_fields.items():
        yield Key(f"thresholds.{name}", field.get_default(), _in_one_line(field.description))
    for name, field in type(DELIVERED.evidence).model_fields.items():
        yield Key(f"evidence.{name}", field.get_default(), _in_one_line(field.description))


def _in_one_line(text: str | None) -> str:
    return " ".join((text or "").split())
