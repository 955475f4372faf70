"""What must hold of staging before anything is judged."""

from include.expectations.model import Expectation, Numbers, keyed, known, no_rows

RESTRICTION_KINDS = (
    "push",
    "restrict_merges",
    "force",
    "delete",
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
    "smart_reset_pullrequest_approvals",
    "reset_pullrequest_changes_requested_on_change",
    "enforce_merge_checks",
    "allow_auto_merge_when_builds_pass",
)


def expectations(numbers: Numbers) -> tuple[Expectation, ...]:
    """The suite under a policy's numbers."""
    return (
        *keyed("repositories", "repository_id", "repository"),
        *keyed("repositories", "slug", "repository slug"),
        *keyed("members", "member_id", "member"),
        *keyed("branch_restrictions", "restriction_key", "branch restriction"),
        *keyed("pull_requests", "pull_request_key", "pull request"),
        known("members", "member_type", "type of a member", ("user", "app_user")),
        known("members", "role", "role of a member", ("owner", "member", "collaborator", "create-project")),
        known("branch_restrictions", "kind", "kind of a branch restriction", RESTRICTION_KINDS),
        known(
            "branch_restrictions",
            "branch_match_kind",
            "match of a branch restriction",
            ("glob", "branching_model"),
        ),
        known("pull_requests", "state", "state of a pull request", ("OPEN", "MERGED")),
        no_rows(
            "listing_anomalies",
            "no listing repeats an object or disagrees with its own size",
            "warning",
            "it was read twice already: objects changed while paging, the next run will tell",
        ),
        no_rows(
            "unread_repositories",
            "every listed repository was read or recorded as failed",
            "critical",
            "clear the extract tasks of this run, they take up where they stopped",
        ),
        Expectation(
            "error_share",
            "ExpectColumnMaxToBeBetween",
            f"calls failed on no more than {numbers.max_error_share:.0%} of the repositories",
            "critical",
            {"column": "share", "max_value": numbers.max_error_share},
            way_out="staging.coverage names the calls that failed; run again, or raise numbers.max_error_share",
        ),
        Expectation(
            "shrink",
            "ExpectColumnMaxToBeBetween",
            f"no listing is more than {numbers.max_shrink_share:.0%} shorter than the last published one",
            "critical",
            {"column": "share", "max_value": numbers.max_shrink_share},
            way_out="the identity may have lost sight of objects: check its access; if they were really removed, "
            "raise numbers.max_shrink_share for one run",
        ),
        Expectation(
            "roster_age",
            "ExpectColumnMaxToBeBetween",
            f"a roster was imported in the last {numbers.roster_max_age_days:g} days",
            "warning",
            {"column": "age_days", "max_value": numbers.roster_max_age_days},
            way_out="import a current roster: make import ROSTER=file.csv",
        ),
    )
