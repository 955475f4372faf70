"""`make policy` and `make unclassify`: what a workspace's policy changes, and a classification taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local import environment as env
from local.services import LocalError, data_postgres

if TYPE_CHECKING:
    from bitbucket_compliance.policy.model import Policy
    from bitbucket_compliance.policy.overrides import Difference, Override

POLICY_USAGE: Final = (
    "usage: make policy WORKSPACE=slug [FILE=overrides.yaml REASON='why'] (without FILE: show it; an empty file takes "
    "the overrides back)"
)
UNCLASSIFY_USAGE: Final = "usage: make unclassify TARGET_TYPE=repository|project|pattern TARGET=name [WORKSPACE=slug]"


def policy(workspace: str, file: str, reason: str) -> int:
    """Set what the workspace's policy changes where a file is given; print what is in force then, and its history.

    Raises:
        LocalError: there is no such file, or no reason is given.
        PolicyInvalid: the file holds something unknown; nothing is stored.
    """
    from bitbucket_compliance.policy.model import contradictions, read_changes
    from bitbucket_compliance.policy.overrides import history
    from bitbucket_compliance.security_tests.policies import differences, policy_of, set_override

    sets = file.strip().lower() not in ("", "none")
    path = Path(file).expanduser()
    if sets and not path.exists():
        raise LocalError(f"FILE={file}: there is no such file")
    if sets and not reason.strip():
        raise LocalError("REASON is missing: say why the policy changes, its history keeps it")
    changes = read_changes(path) if sets else {}
    with data_postgres() as connection:
        if sets:
            set_override(connection, workspace, changes, set_by=env.operator(), reason=reason.strip())
            connection.commit()
        in_force = policy_of(connection, workspace)
        print(f"policy of workspace {workspace.lower()}, version {in_force.version}")
        changed = differences(connection, workspace)
        for line in [*_keys(in_force, changed), *_history(history(connection, workspace))]:
            print(f"  {line}")
        for told in contradictions(in_force):
            print(f"warning: {told}")
    return 0


def unclassify(target_type: str, target: str, workspace: str) -> int:
    """Take a classification entry back.

    Raises:
        LocalError: something is missing.
        ImportRefused: no such entry is in force.
    """
    from bitbucket_compliance.registry.classification import withdraw

    if not (target_type.strip() and target.strip()):
        raise LocalError(UNCLASSIFY_USAGE)
    with data_postgres() as connection:
        print(
            withdraw(connection, target_type, target, workspace=workspace.strip() or None, withdrawn_by=env.operator())
        )
    return 0


def _keys(in_force: Policy, changed: list[Difference]) -> Iterator[str]:
    """Every key with its value, what was delivered where that is another one, and what it means."""
    from bitbucket_compliance.policy.overrides import flat
    from bitbucket_compliance.security_tests.policies import keys

    values, by_name = flat(in_force), {difference.key: difference for difference in changed}
    for key in keys():
        difference = by_name.get(key.name)
        origin = f" (delivered: {_shown(key.default)}; set by {difference.source})" if difference else ""
        yield f"{key.name}: {_shown(values[key.name])}{origin}  # {key.meaning}"


def _history(overrides: list[Override]) -> Iterator[str]:
    for override in overrides:
        until = "in force" if override.valid_to is None else f"until {override.valid_to:%Y-%m-%d %H:%M}"
        what = _shown(override.body) if override.body else "nothing: taken back"
        yield (
            f"{override.set_at:%Y-%m-%d %H:%M} UTC, {until}, by {override.set_by}"
            f" ({override.reason or 'no reason given'}): {what}"
        )


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
