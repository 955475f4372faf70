"""``policy``: what a workspace's policy changes in the defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bitbucket_compliance.commands.command_line import (
    PROGRAM,
    CommandError,
    Flag,
    command,
    readable_file,
    spelled,
    workspace,
)
from bitbucket_compliance.commands.environment import database, operator

if TYPE_CHECKING:
    from bitbucket_compliance.policy.model import Policy
    from bitbucket_compliance.policy.overrides import Difference, Override, Proposal


def _check(workspace: str, file: Path | None, reason: str) -> None:
    if file and not reason.strip():
        raise CommandError("--reason is missing: say why the policy changes, its history keeps it")


@command(
    "policy",
    "show or change the policy of one workspace",
    Flag("workspace", "slug", "slug or uuid", workspace, required=True),
    Flag(
        "file",
        "overrides.yaml",
        "what it changes; an empty file takes the changes back; without it the policy is shown",
        lambda value: None if value.strip().lower() == "none" else readable_file(value),
        None,
    ),
    Flag("reason", "why", "why the policy changes, for its history; needed with --file"),
    check=_check,
)
def policy(workspace: str, file: Path | None, reason: str) -> None:
    """Set what the workspace's policy changes where a file is given; print what is in force then, and its history.

    What asks for less than the policy in force waits until somebody else has accepted it (``review``).

    Raises:
        PolicyInvalid: the file holds something unknown; nothing is stored.
    """
    from bitbucket_compliance.policy.model import contradictions, read_changes
    from bitbucket_compliance.policy.overrides import history, proposals
    from bitbucket_compliance.security_tests.policies import differences, policy_of, set_override

    changes = read_changes(file) if file else {}
    with database() as connection:
        if file:
            set_override(connection, workspace, changes, set_by=operator(), reason=reason.strip())
            connection.commit()
        in_force = policy_of(connection, workspace)
        print(f"policy of workspace {workspace.lower()}, version {in_force.version}")
        changed = differences(connection, workspace)
        for line in [*_keys(in_force, changed), *_history(history(connection, workspace))]:
            print(f"  {line}")
        for proposal in proposals(connection, workspace):
            print(_waits(proposal))
        for contradiction in contradictions(in_force):
            print(f"warning: {contradiction}")


def _keys(in_force: Policy, changed: list[Difference]) -> Iterator[str]:
    """Every key with its value, what was delivered where that is another one, and what it means."""
    from bitbucket_compliance.policy.overrides import flat
    from bitbucket_compliance.security_tests.policies import keys

    values, by_name = flat(in_force), {difference.key: difference for difference in changed}
    for key in keys():
        difference = by_name.get(key.name)
        origin = f" (delivered: {_shown(key.default)}; set by {difference.source})" if difference else ""
        yield f"{key.name}: {_shown(values[key.name])}{origin}  # {key.meaning}"


def _waits(proposal: Proposal) -> str:
    review = f"{PROGRAM} review --policy={proposal.override_id} --decision=accept"
    return spelled(
        f"proposed: policy {proposal.override_id} by {proposal.set_by} ({proposal.reason or 'no reason given'}): "
        f"{_shown(proposal.body)}; it asks for less in {', '.join(proposal.lowers)} and changes nothing before "
        f"somebody else decides: {review} (or reject, with --reason=…)"
    )


def _history(overrides: list[Override]) -> Iterator[str]:
    for override in overrides:
        until = "in force" if override.valid_to is None else f"until {override.valid_to:%Y-%m-%d %H:%M}"
        what = _shown(override.body) if override.body else "nothing: taken back"
        yield (
            f"{override.set_at:%Y-%m-%d %H:%M} UTC, {until}, by {override.set_by}"
            f"{f', accepted by {override.accepted_by}' if override.accepted_by else ''}"
            f" ({override.reason or 'no reason given'}): {what}"
        )


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
