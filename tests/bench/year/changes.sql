-- Purpose: fifty merges a repository in a year, one in a hundred without a review, and the chain of the record with a
-- link a run. Its rows are left out: readers never see them.

ALTER TABLE compliance.changes DISABLE TRIGGER USER;

INSERT INTO compliance.changes (
    workspace, repository_id, kind, change_key, repository, project_key, classification, pull_request_id, link,
    commit_hash, author_id, merged_by, created_on, merged_after, merged_on, approved_by, peer_approvals, peer_reviewed,
    forced, removed, policy_version, first_run_id, recorded_at
)
SELECT
    repositories.workspace,
    repositories.repository_id,
    'pull_request',
    numbers.number::text,
    repositories.slug,
    repositories.project_key,
    repositories.classification,
    numbers.number,
    'https://bitbucket.org/' || repositories.workspace || '/' || repositories.slug,
    left(md5(repositories.repository_id || numbers.number), 12),
    '{author}',
    '{author}',
    numbers.merged_on - interval '1 day',
    numbers.merged_on - interval '1 day',
    numbers.merged_on,
    '{{peer}}'::text[],
    1,
    bench.dice(repositories.repository_id || numbers.number) >= 100,
    false,
    false,
    %(policy_version)s,
    'run',
    numbers.merged_on
FROM compliance.repositories AS repositories
CROSS JOIN LATERAL (
    SELECT
        series.number,
        now() - make_interval(days => (series.number * 7)::integer) AS merged_on
    FROM generate_series(1, 50) AS series (number)
) AS numbers;

ALTER TABLE compliance.changes ENABLE TRIGGER USER;

INSERT INTO integration.record_links (workspace, link, run_id, sealed_at, row_count, digest)
SELECT
    runs.workspace,
    row_number() OVER (ORDER BY runs.started_at),
    runs.run_id,
    runs.finished_at,
    1,
    sha256(runs.run_id::bytea)
FROM integration.runs AS runs;
