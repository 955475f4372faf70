"""What is logged and printed about webhooks that were registered, repaired or removed."""

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bitbucket_cloud.webhooks.registration import Outcome, Registered
    from bitbucket_cloud.webhooks.removal import Removed

#: Places with a problem that are named one by one; the others are counted.
MOST_NAMED: Final = 20

_SAID: Final = {
    "created": "registered",
    "repaired": "repaired",
    "kept": "as it should be",
    "not_asked": "as it should be when last checked",
}
_STATES: Final = {
    "active": "have a webhook",
    "disabled": "were switched off",
    "missing": "are missing",
    "not_allowed": "are not allowed",
    "failed": "could not be asked for",
}


def registered_lines(workspace: str, done: "Registered") -> list[str]:
    """What ``ensure`` did, for people: the workspace, its repositories counted, each problem with what to do."""
    lines = [_line(one) for one in done.outcomes if not one.repository_id]
    repositories = [one for one in done.outcomes if one.repository_id]
    if repositories:
        states = Counter(one.state for one in repositories)
        counted = ", ".join(f"{states[state]} {words}" for state, words in _STATES.items() if states[state])  # type: ignore[index]
        lines.append(f"repositories of {workspace}: of {len(repositories)}, {counted}")
        troubled = [one for one in repositories if one.state != "active"]
        lines += [_line(one) for one in troubled[:MOST_NAMED]]
        if len(troubled) > MOST_NAMED:
            lines.append(f"and {len(troubled) - MOST_NAMED} more; integration.webhooks names them all")
    return [*lines, *done.notes]


def _line(one: "Outcome") -> str:
    if one.state == "active":
        return f"{one.place}: webhook {_SAID[one.done]}"
    return f"{one.place}: {one.state.replace('_', ' ')}: {one.problem}"


def removed_lines(workspace: str, done: "Removed", *, registered_again: bool) -> list[str]:
    """What ``remove`` did, for people.

    Args:
        registered_again: whether an address is set, so that the next check registers what was removed.
    """
    gone = f"{done.deleted} webhook{'' if done.deleted == 1 else 's'}"
    lines = [f"workspace {workspace}: {gone} deleted at Bitbucket", *done.left]
    if registered_again:
        lines.append("the next check registers them again, unless COMPLIANCE_WEBHOOK_URL is taken away before")
    return lines
