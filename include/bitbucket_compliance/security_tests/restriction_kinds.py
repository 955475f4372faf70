"""The kinds of Bitbucket's branch restrictions, as its official document lists them (definition branchrestriction)."""

RESTRICTION_KINDS = (
    "push",
    "force",
    "delete",
    "restrict_merges",
    "require_approvals_to_merge",
    "require_default_reviewer_approvals_to_merge",
    "require_review_group_approvals_to_merge",
    "require_passing_builds_to_merge",
    "require_commits_behind",
    "require_tasks_to_be_completed",
    "require_no_changes_requested",
    "require_all_comments_resolved",
    "require_all_dependencies_merged",
    "reset_pullrequest_approvals_on_change",
    "reset_pullrequest_changes_requested_on_change",
    "smart_reset_pullrequest_approvals",
    "enforce_merge_checks",
    "allow_auto_merge_when_builds_pass",
)


def known_kinds(kinds: list[str]) -> list[str]:
    """The kinds, each once.

    Raises:
        ValueError: one is no kind of branch restriction.
    """
    unknown = [kind for kind in kinds if kind not in RESTRICTION_KINDS]
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is no kind of branch restriction; Bitbucket's are {', '.join(RESTRICTION_KINDS)}"
        )
    return list(dict.fromkeys(kinds))
