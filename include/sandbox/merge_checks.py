"""The checks of an open pull request: what its repository's rules and those of its project ask of it.

Source: the official document's ``mergeability/checks``, which is newer than the copy that tests compare with.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sandbox.model import PullRequest, Repository, Restriction
from sandbox.render import Json

ENFORCE = "enforce_merge_checks"
#: kind of restriction -> kind of check. That of review groups is a guess: no source names it.
CHECK_KINDS = {
    "require_approvals_to_merge": "minimum_approvals",
    "require_default_reviewer_approvals_to_merge": "minimum_default_reviewer_approvals",
    "require_review_group_approvals_to_merge": "minimum_review_group_approvals",
    "require_passing_builds_to_merge": "minimum_successful_builds",
    "require_tasks_to_be_completed": "resolved_tasks",
    "require_commits_behind": "maximum_commits_behind",
    "require_no_changes_requested": "no_changes_requested",
    "require_all_dependencies_merged": "pr_deps_merged",
}
#: What comes with a rule about builds, and has no threshold.
WITH_BUILDS = ("failed_builds", "in_progress_builds")


def rules_for(repo: Repository, branch: str) -> list[Restriction]:
    """The rules that apply to a branch: the repository's own, and those that its project hands down."""
    return [rule for rule in [*repo.restrictions, *repo.project.restrictions] if _applies(repo, rule, branch)]


def _applies(repo: Repository, rule: Restriction, branch: str) -> bool:
    if rule.branch_match_kind == "glob":
        pattern = ".*".join(re.escape(part) for part in rule.pattern.split("*"))
        return re.fullmatch(pattern, branch, re.DOTALL) is not None
    model = repo.branching_model
    named = {"production": model.production, "development": model.development}
    if rule.branch_type in named:
        one = named[rule.branch_type]
        return one is not None and branch == (repo.mainbranch if one.use_mainbranch else one.name)
    prefix = model.prefixes.get(rule.branch_type or "")
    return bool(prefix) and branch.startswith(prefix or "")


def checks(repo: Repository, pull: PullRequest, *, unconfigured: str = "absent") -> list[Json]:
    """Every check of an open pull request.

    ``unconfigured``: whether a kind of check that no rule asks for is ``absent``, or listed with the requirement
    ``null`` or ``zero``.
    """
    rules = rules_for(repo, pull.destination_branch)
    enforced = any(rule.kind == ENFORCE for rule in rules)
    thresholds: dict[str, int | None] = {}
    for rule in rules:
        kind = CHECK_KINDS.get(rule.kind)
        if kind is not None:
            thresholds[kind] = max(thresholds.get(kind) or 0, rule.value or 0) if rule.value is not None else None
    if unconfigured != "absent":
        nothing = None if unconfigured == "null" else 0
        thresholds |= {kind: nothing for kind in CHECK_KINDS.values() if kind not in thresholds}
    found = [_standard(pull, kind, threshold, enforced) for kind, threshold in thresholds.items()]
    if thresholds.get("minimum_successful_builds"):
        found += [_standard(pull, kind, None, enforced) for kind in WITH_BUILDS]
    return [*_of_every_answer(pull), *found, *repo.more_checks]


def _of_every_answer(pull: PullRequest) -> list[Json]:
    always = {"status": "PASSED", "required": True, "blocking": False}
    return [
        {"type": "pullrequest_state_check", **always, "state": pull.state},
        {"type": "current_user_permission_check", **always},
        {"type": "git_mergeability_check", **always, "reason": "clean"},
    ]


def _standard(pull: PullRequest, kind: str, threshold: int | None, enforced: bool) -> Json:
    seen = _OBSERVED[kind](pull) if kind in _OBSERVED else {}
    met = threshold is None or all(count >= threshold for count in seen.values())
    running = kind == "in_progress_builds" and _builds(pull, "INPROGRESS") > 0
    failed = not met or (kind == "failed_builds" and _builds(pull, "FAILED", "STOPPED") > 0)
    status = "PENDING" if running else "FAILED" if failed else "PASSED"
    return {
        "type": "standard_merge_check",
        "status": status,
        "required": enforced,
        "blocking": enforced and status != "PASSED",
        "check": {"type": "standard_merge_check_definition", "kind": kind},
        "requirement": None if kind in WITH_BUILDS or threshold is None else {kind: threshold},
        "observed": seen or None,
    }


def _builds(pull: PullRequest, *states: str) -> int:
    return sum(status.state in states for status in pull.statuses)


def _approvals(pull: PullRequest) -> dict[str, int]:
    return {"approval_count": sum(participant.approved for participant in pull.participants)}


_OBSERVED: dict[str, Callable[[PullRequest], dict[str, int]]] = {
    "minimum_approvals": _approvals,
    "minimum_default_reviewer_approvals": _approvals,
    "minimum_review_group_approvals": _approvals,
    "minimum_successful_builds": lambda pull: {"successful_builds": _builds(pull, "SUCCESSFUL")},
}
