-- Purpose: give the demo workspace two months of a past, as if it had been judged every day: what one run found
-- becomes what was found bit by bit, and some of what passes was failing once. Repeatable: hashes stand for chance.

ALTER TABLE compliance.result_history DISABLE TRIGGER USER;

-- Each verdict's number between 0 and 1.
CREATE TEMPORARY TABLE lots AS
SELECT
    history.workspace,
    history.test_id,
    history.subject_id,
    (('x' || substr(md5(history.test_id || history.subject_id), 1, 6))::bit(24)::integer / 16777216.0) AS lot,
    (('x' || substr(md5(history.subject_id || history.test_id), 1, 6))::bit(24)::integer / 16777216.0) AS other_lot
FROM compliance.result_history AS history
WHERE history.valid_to IS null;

-- First seen 60 days ago; a third of what passes was mended since, half of what fails broke since.
CREATE TEMPORARY TABLE changes AS
SELECT
    lots.workspace,
    lots.test_id,
    lots.subject_id,
    date_trunc('day', now()) - interval '60 days' + interval '9 hours' AS first_seen,
    CASE
        WHEN history.status = 'passing' AND lots.lot < 0.35 THEN 'failing'
        WHEN history.status = 'failing' AND lots.lot < 0.5 THEN 'passing'
    END AS status_before,
    date_trunc('day', now()) - make_interval(days => 1 + (58 * lots.other_lot)::integer) + interval '9 hours' AS changed
FROM lots
INNER JOIN compliance.result_history AS history
    ON
        lots.workspace = history.workspace
        AND lots.test_id = history.test_id
        AND lots.subject_id = history.subject_id;

UPDATE compliance.result_history AS history
SET valid_from = CASE WHEN changes.status_before IS null THEN changes.first_seen ELSE changes.changed END
FROM changes
WHERE
    history.workspace = changes.workspace
    AND history.test_id = changes.test_id
    AND history.subject_id = changes.subject_id;

INSERT INTO compliance.result_history
(
    workspace, test_id, subject_type, subject_id, subject_name, severity, status, basis, reason_code, reason, detail,
    facts_hash, exception_id, policy_version, run_id, valid_from, valid_to
)
SELECT
    history.workspace,
    history.test_id,
    history.subject_type,
    history.subject_id,
    history.subject_name,
    history.severity,
    changes.status_before,
    history.basis,
    history.reason_code,
    history.reason,
    history.detail,
    md5(history.facts_hash),
    null,
    history.policy_version,
    history.run_id,
    changes.first_seen,
    changes.changed
FROM changes
INNER JOIN compliance.result_history AS history
    ON
        changes.workspace = history.workspace
        AND changes.test_id = history.test_id
        AND changes.subject_id = history.subject_id
WHERE changes.status_before IS NOT null;

UPDATE compliance.results AS results
SET
    first_seen_at = changes.first_seen,
    status_since = history.valid_from,
    failing_since = CASE WHEN results.failing_since IS NOT null THEN history.valid_from END,
    due_at = results.due_at - (results.failing_since - history.valid_from)
FROM changes
INNER JOIN compliance.result_history AS history
    ON
        changes.workspace = history.workspace
        AND changes.test_id = history.test_id
        AND changes.subject_id = history.subject_id
WHERE
    history.valid_to IS null
    AND results.workspace = changes.workspace
    AND results.test_id = changes.test_id
    AND results.subject_id = changes.subject_id;

UPDATE compliance.finding_records AS findings
SET found_at = results.failing_since, due_at = results.due_at
FROM compliance.results AS results
WHERE
    findings.ended_at IS null
    AND results.workspace = findings.workspace
    AND results.test_id = findings.test_id
    AND results.subject_id = findings.subject_id
    AND results.failing_since IS NOT null;

ALTER TABLE compliance.result_history ENABLE TRIGGER USER;

-- What the triggers would have counted.
UPDATE integration.history_moves SET subjects = 0, stale = 0;
INSERT INTO integration.history_moves AS noted (workspace, day, test_id, severity, status, bypassed, subjects, stale)
SELECT
    names.workspace,
    counted.day,
    counted.test_id,
    counted.severity,
    counted.status,
    counted.bypassed,
    -sum(counted.subjects),
    -sum(counted.stale)
FROM (SELECT DISTINCT results.workspace FROM compliance.results AS results) AS names
CROSS JOIN LATERAL integration.counted_moves(names.workspace) AS counted
GROUP BY names.workspace, counted.day, counted.test_id, counted.severity, counted.status, counted.bypassed
ON CONFLICT (workspace, day, test_id, severity, status, bypassed) DO UPDATE
    SET subjects = excluded.subjects, stale = excluded.stale;

-- A run that published on each of its days.
INSERT INTO integration.runs
SELECT made.*
FROM (
    SELECT DISTINCT ON (runs.workspace) runs
    FROM integration.runs AS runs
    WHERE runs.status = 'published' AND runs.kind = 'polling'
    ORDER BY runs.workspace ASC, runs.started_at DESC
) AS newest (run)
CROSS JOIN generate_series(1, 60) AS passed (days)
CROSS JOIN LATERAL (
    SELECT date_trunc('day', now()) - make_interval(days => passed.days) + interval '9 hours' AS published_at
) AS past
CROSS JOIN LATERAL jsonb_populate_record(
    newest.run,
    jsonb_build_object(
        'run_id', format('scheduled__%s', to_char(past.published_at, 'YYYY-MM-DD"T"HH24:MI:SS')),
        'started_at', past.published_at - interval '2 minutes',
        'opened_at', past.published_at - interval '2 minutes',
        'finished_at', past.published_at
    )
) AS made;

-- A risk that is accepted for ten more days.
WITH asked AS (
    INSERT INTO registry.exceptions
    (workspace, test_id, scope, target, owner, reason, expires_at, requested_by)
    SELECT
        results.workspace,
        results.test_id,
        'subject' AS scope,
        results.subject_id AS target,
        'airflow:olga' AS owner,
        'It is replaced next week.' AS reason,
        date_trunc('day', now()) + interval '10 days' AS expires_at,
        'airflow:anna' AS requested_by
    FROM compliance.results AS results
    WHERE results.status = 'failing'
    ORDER BY results.test_id, results.subject_id
    LIMIT 1
    RETURNING exception_id
)

INSERT INTO registry.exception_decisions (exception_id, decision, decided_by, policy_version)
SELECT
    asked.exception_id,
    'accepted' AS decision,
    'airflow:bert' AS decided_by,
    max(policies.policy_version) AS policy_version
FROM asked
CROSS JOIN registry.policy_versions AS policies
GROUP BY asked.exception_id;
