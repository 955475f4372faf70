"""What must hold of staging before anything is judged: at least one expectation for every table of the schema.

Critical is what may concern everything. What is wrong with one repository, one member or one resource holds back the
verdicts on it; what Bitbucket may well send, and what can make no verdict wrong, is a warning.
"""

from bitbucket_compliance.pipeline.gate.expectations.model import (
    STAGE_AGAIN,
    Expectation,
    HeldBack,
    Thresholds,
    below,
    held,
    keyed,
    known,
    no_rows,
)
from bitbucket_compliance.security_tests.restriction_kinds import RESTRICTION_KINDS

BRANCH_TYPES = ("feature", "bugfix", "release", "hotfix")
PIPELINE_STATES = ("PENDING", "IN_PROGRESS", "COMPLETED")
PIPELINE_RESULTS = ("SUCCESSFUL", "FAILED", "ERROR", "STOPPED", "EXPIRED")

_BELOW_REPOSITORY = ("repository_id",)
_MEMBER = ("member_id",)
#: Everything about a repository; its row of the listing alone; and what a row about a call names itself.
_REPOSITORY = HeldBack("repository_id", "''")
_LISTED_REPOSITORY = HeldBack("repository_id", "'repositories'")
_LISTED_MEMBER = HeldBack("member_id", "'members'")
_CALL = HeldBack("repository_id", "resource")


def expectations(thresholds: Thresholds) -> tuple[Expectation, ...]:
    """The suite under a policy's thresholds."""
    return (
        *_WORKSPACE,
        *_MEMBERS,
        *_REPOSITORIES,
        *_RULES,
        *_PULL_REQUESTS,
        *_PIPELINES,
        *_COVERAGE,
        Expectation(
            "error_share",
            "ExpectColumnMaxToBeBetween",
            f"something could be read of all but {thresholds.max_error_share:.0%} of the repositories",
            "critical",
            {"column": "share", "max_value": thresholds.max_error_share},
            hint="Bitbucket seems to be out of order: staging.coverage names the calls that failed; run again, or "
            "raise thresholds.max_error_share",
            rows_from="failed_calls",
        ),
        Expectation(
            "shrink",
            "ExpectColumnMaxToBeBetween",
            f"no listing is more than {thresholds.max_shrink_share:.0%} shorter than the last published one",
            "critical",
            {"column": "share", "max_value": thresholds.max_shrink_share},
            hint="the identity may have lost sight of objects: check its access; if they were really removed, "
            "raise thresholds.max_shrink_share for one run",
            rows_from="missing_objects",
        ),
        Expectation(
            "roster_age",
            "ExpectColumnMaxToBeBetween",
            f"a roster was imported in the last {thresholds.roster_max_age_days:g} days",
            "warning",
            {"column": "age_days", "max_value": thresholds.roster_max_age_days},
            hint="import a current roster: Imports in the console, or the DAG registry_import",
            rows_from="roster_age",
        ),
    )


_WORKSPACE = (
    Expectation(
        "workspaces",
        "ExpectTableRowCountToEqual",
        "the workspace itself was read",
        "critical",
        {"value": 1},
        "clear the task list_workspace of this run: without it the workspace would have no verdict",
    ),
    no_rows(
        "granted_scopes",
        "the granted scopes are those of this run",
        "critical",
        STAGE_AGAIN,
        "SELECT run_id, data_as_of FROM {batch} WHERE run_id <> current_setting('compliance.run_id')",
    ),
)

_MEMBERS = (
    *keyed("members", "member_id", "member"),
    known("members", "member_type", "type of a member", ("user", "app_user"), _MEMBER),
    known("members", "role", "role of a member", ("owner", "member", "collaborator", "create-project"), _MEMBER),
    no_rows(
        "members",
        "no Atlassian account belongs to two members",
        "warning",
        "a roster row with this account id stands for both members: look at them in Bitbucket",
        "SELECT account_id, count(*) AS members FROM {batch}"
        " WHERE account_id IS NOT null GROUP BY account_id HAVING count(*) > 1",
    ),
    held(
        _LISTED_MEMBER,
        "member_emails",
        "every confirmed address is in lower case, without spaces around it, and is one",
        STAGE_AGAIN,
        "SELECT member_id, is_normalised, is_address FROM {batch} WHERE NOT (is_normalised AND is_address)",
    ),
    no_rows(
        "member_emails",
        "every confirmed address belongs to a listed member",
        "warning",
        "somebody joined while the workspace was read: the next run will know the member",
        "SELECT member_id FROM {batch} WHERE NOT is_listed",
    ),
    no_rows(
        "member_emails",
        "no address was confirmed for two members",
        "warning",
        "a roster row with this address stands for both members: look at them in Bitbucket",
        "SELECT member_id, members_of_address FROM {batch} WHERE members_of_address > 1",
    ),
)

_REPOSITORIES = (
    *keyed("repositories", "repository_id", "repository"),
    Expectation(
        "repositories",
        "ExpectTableRowCountToBeBetween",
        "the listing names a repository",
        "warning",
        {"min_value": 1},
        "the workspace is empty, or this identity sees none of its repositories: check its access",
    ),
    held(
        _REPOSITORY,
        "repositories",
        "every repository has a slug",
        STAGE_AGAIN,
        "SELECT repository_id FROM {batch} WHERE coalesce(slug, '') = ''",
    ),
    held(
        _LISTED_REPOSITORY,
        "repositories",
        "every repository says whether it is private",
        "Bitbucket's listing left it out: without it no declared sensitivity can be checked; run again",
        "SELECT repository_id, slug FROM {batch} WHERE is_private IS null",
    ),
    no_rows(
        "orphans",
        "nothing is staged below a repository that is not listed",
        "warning",
        STAGE_AGAIN,
    ),
    no_rows(
        "read_later_than_now",
        "nothing was read later than now",
        "warning",
        "a clock is wrong: compare those of the workers and of the database server, then run with full_refresh",
    ),
    held(
        _CALL,
        "unread_repositories",
        "every listed repository was read or recorded as failed",
        "clear the extract tasks of this run, they take up where they stopped",
    ),
    no_rows(
        "listing_anomalies",
        "no listing repeats an object or disagrees with its own size",
        "warning",
        "it was read twice already: objects changed while paging, the next run will tell",
    ),
)

_RULES = (
    *keyed("branching_models", "repository_id", "branching model"),
    below(
        "effective_branching_model",
        "branching_models",
        "every branching model lists its branch types",
        STAGE_AGAIN,
        "SELECT repository_id, jsonb_typeof(branch_types) AS branch_types FROM {batch}"
        " WHERE jsonb_typeof(branch_types) <> 'array'",
    ),
    known("branch_types", "kind", "kind of a branch type", BRANCH_TYPES, ("repository_id", "prefix")),
    *keyed("branch_restrictions", "restriction_key", "branch restriction"),
    known("branch_restrictions", "kind", "kind of a branch restriction", RESTRICTION_KINDS, ("restriction_key",)),
    known(
        "branch_restrictions",
        "branch_match_kind",
        "match of a branch restriction",
        ("glob", "branching_model"),
        ("restriction_key",),
    ),
    below(
        "branch_restrictions",
        "branch_restrictions",
        "every number that a branch restriction asks for is at least 0",
        STAGE_AGAIN,
        "SELECT repository_id, restriction_id, kind, value FROM {batch} WHERE value < 0",
    ),
    no_rows(
        "branch_restrictions",
        "every rule that counts approvals or builds says how many",
        "warning",
        "it asks for nothing as it stands: look at the rule in Bitbucket",
        "SELECT repository_id, restriction_id, kind FROM {batch} WHERE value IS null AND kind IN ("
        "'require_approvals_to_merge', 'require_default_reviewer_approvals_to_merge',"
        " 'require_review_group_approvals_to_merge', 'require_passing_builds_to_merge')",
    ),
    below(
        "branch_restrictions",
        "wrong_rule_matches",
        "a rule applies to the main branch as its pattern or branching model says, and only an unread model leaves"
        " it unknown",
        STAGE_AGAIN,
    ),
)

_PULL_REQUESTS = (
    *keyed("pull_requests", "pull_request_key", "pull request"),
    known("pull_requests", "state", "state of a pull request", ("OPEN", "MERGED"), ("pull_request_key",)),
    below(
        "pull_requests",
        "pull_requests",
        "every approval names who approved",
        STAGE_AGAIN,
        "SELECT repository_id, pull_request_id FROM {batch} WHERE array_position(approved_by, null) IS NOT null",
    ),
    no_rows(
        "pull_requests",
        "every merge says who took part in its pull request",
        "warning",
        "peer_review_required has status error there: look at the answer in landing.objects",
        "SELECT repository_id, pull_request_id FROM {batch} WHERE state = 'MERGED' AND approved_by IS null",
    ),
    below(
        "pull_requests",
        "pull_requests",
        "every merge says when and into which branch",
        "without it a merge that breaks a rule could go unseen: clear the extract tasks of this run",
        "SELECT repository_id, pull_request_id, destination_branch, merged_on FROM {batch}"
        " WHERE state = 'MERGED' AND (merged_on IS null OR coalesce(destination_branch, '') = '')",
    ),
    no_rows(
        "pull_requests",
        "every merge names the author of its pull request",
        "warning",
        "an account was closed: any approval of this pull request counts as a peer's",
        "SELECT repository_id, pull_request_id FROM {batch} WHERE state = 'MERGED' AND author_id IS null",
    ),
    no_rows(
        "pull_requests",
        "no pull request was updated in the future",
        "warning",
        "compare the clock of the database server with Bitbucket's",
        "SELECT repository_id, pull_request_id, updated_on FROM {batch}"
        " WHERE greatest(created_on, updated_on) > now() + interval '1 day'",
    ),
    *keyed("merge_checks", "repository_id", "repository's merge checks"),
    *keyed("default_reviewers", "repository_id", "repository's default reviewers"),
    *keyed("pull_request_builds", "pull_request_key", "pull request's builds"),
    below(
        "pull_request_statuses",
        "pull_request_builds",
        "builds that failed or are in progress are between 0 and all builds of a pull request",
        STAGE_AGAIN,
        "SELECT repository_id, pull_request_id, builds, builds_failed, builds_in_progress FROM {batch}"
        " WHERE least(builds_failed, builds_in_progress) < 0 OR builds_failed + builds_in_progress > builds",
    ),
)

_PIPELINES = (
    *keyed("pipelines_configs", "repository_id", "configuration of Pipelines"),
    no_rows(
        "pipelines_configs",
        "every configuration of Pipelines says whether it is on",
        "warning",
        "its repositories have status error: look at the answer in landing.objects",
        "SELECT repository_id FROM {batch} WHERE enabled IS null",
    ),
    *keyed("latest_pipelines", "repository_id", "newest pipeline"),
    known("latest_pipelines", "state", "state of a pipeline", PIPELINE_STATES, _BELOW_REPOSITORY),
    known("latest_pipelines", "result", "result of a pipeline", PIPELINE_RESULTS, _BELOW_REPOSITORY),
    below(
        "pipelines",
        "latest_pipelines",
        "no pipeline ran in the future",
        "compare the clock of the database server with Bitbucket's: it would count as a recent run for long",
        "SELECT repository_id, pipeline_id, created_on FROM {batch} WHERE created_on > now() + interval '1 day'",
    ),
    no_rows(
        "latest_pipelines",
        "every pipeline has a number above 0 and says when it was created",
        "warning",
        "look at the answer in landing.objects",
        "SELECT repository_id, pipeline_id, build_number, created_on FROM {batch}"
        " WHERE build_number < 1 OR created_on IS null",
    ),
)

_COVERAGE = (
    *keyed("coverage", "coverage_key", "call of the coverage"),
    held(
        _CALL,
        "coverage",
        "every outcome of a call is one of the contract",
        STAGE_AGAIN,
        "SELECT repository_id, resource, outcome FROM {batch}"
        " WHERE outcome NOT IN ('ok', 'scope_missing', 'permission_missing', 'not_found', 'failed')",
    ),
    held(
        _CALL,
        "coverage",
        "no call counts as read that Bitbucket refused",
        STAGE_AGAIN,
        "SELECT repository_id, resource, outcome, http_status FROM {batch} WHERE outcome = 'ok' AND http_status >= 400",
    ),
    held(
        _CALL,
        "coverage",
        "every listing of the workspace could be read",
        "run again: until then nothing is known of what it lists",
        "SELECT repository_id, resource, http_status FROM {batch} WHERE repository_id = '' AND outcome = 'failed'",
    ),
)
