-- Purpose: bring findings in line with the verdicts of the run: one opens where a subject fails that has none, and ends
-- where it passes, where the test does not apply to it any more, or where two whole listings of two runs lacked it.
-- A verdict that is pending or an error, a test that was switched off and a subject out of sight end nothing. What
-- failed by configuration is not mended by behaviour.

WITH verdicts AS (
    SELECT
        verdicts.test_id,
        verdicts.subject_type,
        verdicts.subject_id,
        verdicts.subject_name,
        verdicts.status,
        verdicts.basis,
        verdicts.reason_code,
        verdicts.detail,
        policies.severity
    FROM judged.verdicts AS verdicts
    INNER JOIN
        jsonb_to_recordset(%(policies)s::jsonb) AS policies (test_id text, severity text, enabled boolean)
        ON verdicts.test_id = policies.test_id AND policies.enabled
    WHERE verdicts.workspace = %(workspace)s AND verdicts.run_id = %(run_id)s
),

open AS (
    SELECT
        findings.finding_id,
        findings.test_id,
        findings.subject_type,
        findings.subject_id,
        findings.failed_basis,
        findings.missed_by
    FROM compliance.finding_records AS findings
    WHERE findings.workspace = %(workspace)s AND findings.ended_at IS null
),

-- Who declared a repository out of scope.
declared AS (
    SELECT
        resolved.repository_id,
        entries.declared_by
    FROM registry.repository_classification AS resolved
    INNER JOIN registry.classification AS entries ON resolved.entry_id = entries.entry_id
    WHERE resolved.workspace = %(workspace)s
),

settled AS (
    UPDATE compliance.finding_records AS findings
    SET
        ended_at = %(published_at)s,
        ended_basis = verdicts.basis,
        ended_because = CASE verdicts.status WHEN 'passing' THEN 'fixed' ELSE 'not_applicable' END,
        ended_reason_code = verdicts.reason_code,
        ended_by = declared.declared_by,
        subject_name = verdicts.subject_name,
        missed_by = null
    FROM open
    INNER JOIN verdicts ON open.test_id = verdicts.test_id AND open.subject_id = verdicts.subject_id
    LEFT JOIN declared ON verdicts.reason_code = 'non_production' AND verdicts.subject_id = declared.repository_id
    WHERE
        findings.finding_id = open.finding_id
        AND (
            verdicts.status = 'not_applicable'
            OR (
                verdicts.status = 'passing'
                AND NOT (open.failed_basis = 'configuration' AND verdicts.basis = 'behaviour')
            )
        )
    RETURNING findings.finding_id
),

still_failing AS (
    UPDATE compliance.finding_records AS findings
    SET
        failed_basis = CASE
            -- a violation that was seen while rules could not be read says nothing of the rules
            WHEN open.failed_basis = 'configuration' AND (verdicts.detail ->> 'in_force') IS DISTINCT FROM 'true'
                THEN open.failed_basis
            ELSE verdicts.basis
        END,
        missed_by = null
    FROM open
    INNER JOIN verdicts ON open.test_id = verdicts.test_id AND open.subject_id = verdicts.subject_id
    WHERE
        findings.finding_id = open.finding_id
        AND verdicts.status = 'failing'
        AND (verdicts.basis IS DISTINCT FROM open.failed_basis OR open.missed_by IS NOT null)
    RETURNING findings.finding_id
),

-- Which listings of this run were whole, and so tell who is gone.
listed AS (
    SELECT CASE calls.resource WHEN 'repositories' THEN 'repository' ELSE 'member' END AS subject_type
    FROM landing.calls AS calls
    WHERE
        calls.workspace = %(workspace)s
        AND calls.run_id = %(run_id)s
        AND calls.resource IN ('repositories', 'members')
        AND calls.complete
),

subjects AS (
    SELECT
        'repository' AS subject_type,
        repositories.repository_id AS subject_id
    FROM staging.repositories AS repositories
    WHERE repositories.workspace = %(workspace)s
    UNION ALL
    SELECT
        'member' AS subject_type,
        members.member_id AS subject_id
    FROM staging.members AS members
    WHERE members.workspace = %(workspace)s
),

out_of_sight AS (
    SELECT open.*
    FROM open
    INNER JOIN listed ON open.subject_type = listed.subject_type
    WHERE (open.subject_type, open.subject_id) NOT IN (
        SELECT
            subjects.subject_type,
            subjects.subject_id
        FROM subjects
    )
),

missed AS (
    UPDATE compliance.finding_records AS findings
    SET missed_by = %(run_id)s
    FROM out_of_sight
    WHERE findings.finding_id = out_of_sight.finding_id AND out_of_sight.missed_by IS null
),

removed AS (
    UPDATE compliance.finding_records AS findings
    SET
        ended_at = %(published_at)s,
        ended_because = 'removed',
        ended_reason_code = 'removed_or_invisible'
    FROM out_of_sight
    WHERE
        findings.finding_id = out_of_sight.finding_id
        AND out_of_sight.missed_by IS NOT null
        AND out_of_sight.missed_by <> %(run_id)s
),

-- Seen again, whatever was judged: the listing that lacked the subject no longer counts.
back_again AS (
    UPDATE compliance.finding_records AS findings
    SET missed_by = null
    FROM open
    INNER JOIN subjects ON open.subject_type = subjects.subject_type AND open.subject_id = subjects.subject_id
    WHERE
        findings.finding_id = open.finding_id
        AND open.missed_by IS NOT null
        AND open.finding_id NOT IN (
            SELECT settled.finding_id
            FROM settled
            UNION ALL
            SELECT still_failing.finding_id
            FROM still_failing
        )
)

INSERT INTO compliance.finding_records (
    workspace,
    test_id,
    subject_type,
    subject_id,
    subject_name,
    severity,
    found_at,
    found_basis,
    failed_basis,
    reason_code,
    due_at,
    policy_version,
    run_id,
    workspace_id,
    reopened_as
)
SELECT
    %(workspace)s,
    verdicts.test_id,
    verdicts.subject_type,
    verdicts.subject_id,
    verdicts.subject_name,
    verdicts.severity,
    %(published_at)s,
    verdicts.basis AS found_basis,
    verdicts.basis AS failed_basis,
    verdicts.reason_code,
    %(published_at)s + make_interval(days => (%(days_to_fix)s::jsonb ->> verdicts.severity)::integer),
    %(policy_version)s,
    %(run_id)s,
    %(workspace_id)s,
    (
        SELECT earlier.finding_id
        FROM compliance.finding_records AS earlier
        WHERE
            earlier.workspace = %(workspace)s
            AND earlier.test_id = verdicts.test_id
            AND earlier.subject_id = verdicts.subject_id
            AND earlier.ended_at IS NOT null
        ORDER BY earlier.ended_at DESC
        LIMIT 1
    )
FROM verdicts
LEFT JOIN open ON verdicts.test_id = open.test_id AND verdicts.subject_id = open.subject_id
WHERE verdicts.status = 'failing' AND open.finding_id IS null;
