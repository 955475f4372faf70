-- Purpose: record changes of main branches in the window that are not recorded yet, or of which more is known by now.
-- What was known when it was recorded stays: who had approved it, and where its repository stood. Approvals that are
-- given once it was read as merged add nothing.

WITH nobodys_peers AS MATERIALIZED (
    SELECT judging.not_peers(%(workspace)s, %(not_peers)s::text[]) AS accounts
),

merged AS (
    SELECT
        reviewed.repository_id,
        'pull_request' AS kind,
        reviewed.pull_request_id::text AS change_key,
        reviewed.pull_request_id,
        pull_requests.merge_commit AS commit_hash,
        pull_requests.author_id,
        pull_requests.merged_by,
        pull_requests.created_on,
        reviewed.merged_after,
        reviewed.merged_on,
        pull_requests.approved_by,
        CASE WHEN pull_requests.approved_by IS NOT null THEN reviewed.approvals END AS peer_approvals,
        CASE reviewed.review WHEN 'enough' THEN true WHEN 'none' THEN false END AS peer_reviewed,
        builds.builds,
        builds.builds_failed,
        builds.builds_in_progress,
        CASE
            WHEN builds.builds < %(min_passing_builds)s OR builds.builds_failed > 0 THEN false
            WHEN builds.builds_in_progress = 0 THEN true
            -- null: nobody asked for its builds, since the rules decided
            WHEN builds.builds IS NOT null AND reviewed.merged_on <= %(published_at)s - interval '2 days' THEN false
        END AS status_checks_passed,
        false AS forced,
        false AS removed
    FROM nobodys_peers
    CROSS JOIN
        LATERAL judging.merges(
            %(workspace)s, %(subjects)s, %(window_start)s, %(min_approvals)s, nobodys_peers.accounts
        ) AS reviewed
    INNER JOIN staging.pull_requests AS pull_requests
        ON
            pull_requests.workspace = %(workspace)s
            AND reviewed.repository_id = pull_requests.repository_id
            AND reviewed.pull_request_id = pull_requests.pull_request_id
    LEFT JOIN staging.pull_request_builds AS builds
        ON
            builds.workspace = %(workspace)s
            AND reviewed.repository_id = builds.repository_id
            AND reviewed.pull_request_id = builds.pull_request_id
),

seen AS (
    SELECT merged.*
    FROM merged
    UNION ALL
    SELECT
        pushes.repository_id,
        'direct_push' AS kind,
        pushes.push_id::text AS change_key,
        null AS pull_request_id,
        pushes.new_hash AS commit_hash,
        pushes.pushed_by AS author_id,
        null AS merged_by,
        null AS created_on,
        pushes.received_at AS merged_after,
        pushes.received_at AS merged_on,
        null AS approved_by,
        null AS peer_approvals,
        false AS peer_reviewed,
        null AS builds,
        null AS builds_failed,
        null AS builds_in_progress,
        null AS status_checks_passed,
        pushes.forced,
        pushes.removed
    FROM judging.told_pushes(%(workspace)s, %(subjects)s, %(window_start)s) AS pushes
    WHERE pushes.is_direct OR pushes.forced OR pushes.removed
),

known_by_now AS (
    SELECT
        seen.repository_id,
        seen.kind,
        seen.change_key,
        seen.pull_request_id,
        seen.author_id,
        seen.created_on,
        seen.merged_after,
        seen.merged_on,
        seen.forced,
        seen.removed,
        recorded.first_run_id,
        recorded.change_key IS NOT null AS is_recorded,
        coalesce(recorded.commit_hash, seen.commit_hash) AS commit_hash,
        coalesce(recorded.merged_by, seen.merged_by) AS merged_by,
        coalesce(seen.builds, recorded.builds) AS builds,
        CASE WHEN seen.builds IS null THEN recorded.builds_failed ELSE seen.builds_failed END AS builds_failed,
        CASE
            WHEN seen.builds IS null THEN recorded.builds_in_progress ELSE seen.builds_in_progress
        END AS builds_in_progress,
        coalesce(recorded.status_checks_passed, seen.status_checks_passed) AS status_checks_passed,
        -- who had approved when it was first read as merged
        coalesce(recorded.approved_by, seen.approved_by) AS approved_by,
        CASE
            WHEN recorded.approved_by IS null THEN seen.peer_approvals ELSE recorded.peer_approvals
        END AS peer_approvals,
        CASE
            WHEN recorded.approved_by IS null THEN seen.peer_reviewed ELSE recorded.peer_reviewed
        END AS peer_reviewed,
        (
            recorded.merged_on, recorded.merged_after, recorded.commit_hash, recorded.merged_by, recorded.builds,
            recorded.builds_failed, recorded.builds_in_progress, recorded.approved_by, recorded.status_checks_passed
        ) AS was
    FROM seen
    LEFT JOIN compliance.changes AS recorded
        ON
            recorded.workspace = %(workspace)s
            AND seen.repository_id = recorded.repository_id
            AND seen.kind = recorded.kind
            AND seen.change_key = recorded.change_key
)

INSERT INTO compliance.changes (
    workspace,
    repository_id,
    kind,
    change_key,
    repository,
    project_key,
    classification,
    pull_request_id,
    link,
    commit_hash,
    author_id,
    merged_by,
    created_on,
    merged_after,
    merged_on,
    approved_by,
    peer_approvals,
    peer_reviewed,
    builds,
    builds_failed,
    builds_in_progress,
    status_checks_passed,
    forced,
    removed,
    policy_version,
    first_run_id,
    recorded_at,
    workspace_id
)
SELECT
    %(workspace)s AS workspace,
    changes.repository_id,
    changes.kind,
    changes.change_key,
    repositories.slug AS repository,
    repositories.project_key,
    repositories.classification,
    changes.pull_request_id,
    'https://bitbucket.org/' || %(workspace)s || '/' || repositories.slug || CASE
        WHEN changes.kind = 'pull_request' THEN '/pull-requests/' || changes.change_key
        ELSE '/commits/' || changes.commit_hash
    END AS link,
    changes.commit_hash,
    changes.author_id,
    changes.merged_by,
    changes.created_on,
    changes.merged_after,
    changes.merged_on,
    changes.approved_by,
    changes.peer_approvals,
    changes.peer_reviewed,
    changes.builds,
    changes.builds_failed,
    changes.builds_in_progress,
    changes.status_checks_passed,
    changes.forced,
    changes.removed,
    %(policy_version)s AS policy_version,
    coalesce(changes.first_run_id, %(run_id)s) AS first_run_id,
    clock_timestamp() AS recorded_at,
    %(workspace_id)s AS workspace_id
FROM known_by_now AS changes
INNER JOIN compliance.repositories AS repositories
    ON repositories.workspace = %(workspace)s AND changes.repository_id = repositories.repository_id
WHERE
    NOT changes.is_recorded
    OR changes.was IS DISTINCT FROM (
        changes.merged_on, changes.merged_after, changes.commit_hash, changes.merged_by, changes.builds,
        changes.builds_failed, changes.builds_in_progress, changes.approved_by, changes.status_checks_passed
    )
ON CONFLICT (workspace, repository_id, kind, change_key) DO UPDATE SET
    merged_by = excluded.merged_by,
    commit_hash = excluded.commit_hash,
    merged_after = excluded.merged_after,
    merged_on = excluded.merged_on,
    approved_by = excluded.approved_by,
    peer_approvals = excluded.peer_approvals,
    peer_reviewed = excluded.peer_reviewed,
    builds = excluded.builds,
    builds_failed = excluded.builds_failed,
    builds_in_progress = excluded.builds_in_progress,
    status_checks_passed = excluded.status_checks_passed,
    policy_version = excluded.policy_version,
    recorded_at = excluded.recorded_at;
