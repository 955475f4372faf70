-- Purpose: what people declared and what was counted over the year: members that came and left, reviews, steps of runs.

INSERT INTO compliance.member_history (
    workspace, member_id, display_name, member_type, role, valid_from, valid_to, last_seen_at, first_run_id
)
SELECT
    members.workspace,
    members.member_id,
    members.display_name,
    members.member_type,
    members.role,
    now() - interval '300 days',
    CASE WHEN bench.dice(members.member_id) < 1000 THEN now() - interval '30 days' END,
    CASE WHEN bench.dice(members.member_id) < 1000 THEN now() - interval '31 days' END,
    'run 0'
FROM compliance.members AS members;

INSERT INTO compliance.leaver_records (
    workspace, person_key, roster_name, last_working_day, declared_at, is_declared, member_id, matched_by,
    watched_since, grace_days, time_zone, policy_version, first_run_id, recorded_at
)
SELECT
    members.workspace,
    encode(sha256(members.member_id::bytea), 'hex'),
    'main',
    current_date - 32,
    now() - interval '40 days',
    true,
    members.member_id,
    'email',
    now() - interval '300 days',
    0,
    'UTC',
    'bench',
    'run 0',
    now()
FROM compliance.members AS members
ORDER BY bench.dice(members.member_id)
LIMIT 5;

INSERT INTO registry.access_reviews (workspace, member_id, display_name, role, needs_review, decision, reviewed_by)
SELECT
    members.workspace,
    members.member_id,
    members.display_name,
    members.role,
    false,
    'keep',
    'airflow:reviewer@example.com'
FROM compliance.members AS members;

INSERT INTO registry.classification (workspace, target_type, target, classification, declared_by)
VALUES (%(workspace)s, 'project', 'PRJ0', 'production', 'airflow:owner@example.com');

INSERT INTO compliance.population_counts (
    workspace, run_id, population, day, counted_at, complete, said, read, in_table, differences, unexplained
)
SELECT
    runs.workspace,
    runs.run_id,
    'members',
    (runs.finished_at AT TIME ZONE 'UTC')::date,
    runs.finished_at,
    true,
    20,
    20,
    20,
    '[]',
    0
FROM integration.runs AS runs;

INSERT INTO integration.run_steps (run_id, workspace, step, started_at, finished_at)
SELECT
    runs.run_id,
    runs.workspace,
    steps.step,
    runs.started_at,
    runs.finished_at
FROM integration.runs AS runs
CROSS JOIN (VALUES ('extract'), ('publish')) AS steps (step);

INSERT INTO registry.finding_assignments (workspace, finding_id, assigned_to, assigned_by)
SELECT
    findings.workspace,
    findings.finding_id,
    'airflow:reviewer@example.com',
    'airflow:reviewer@example.com'
FROM compliance.finding_records AS findings
WHERE findings.ended_at IS null;

INSERT INTO compliance.history_kept (workspace, kept_from)
VALUES (%(workspace)s, now() - interval '7 years');
