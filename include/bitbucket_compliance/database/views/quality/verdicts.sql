-- Purpose: the verdicts of the run that a gate looks at.

CREATE VIEW quality.verdicts AS
SELECT
    workspace,
    run_id,
    test_id,
    subject_type,
    subject_id,
    CASE WHEN subject_type = 'repository' THEN subject_name END AS repository,
    status,
    basis,
    reason_code,
    reason,
    detail,
    facts,
    data_as_of,
    evaluated_at,
    test_id || ' ' || subject_id AS verdict_key,
    test_id || ' ' || status || ' ' || reason_code AS outcome,
    -- merge checks that were seen last have a validity of their own
    (extract(EPOCH FROM evaluated_at - coalesce(read_at, data_as_of)) / 3600.0)::double precision AS data_age_hours
FROM judged.verdicts
WHERE
    workspace = current_setting('compliance.workspace')
    AND run_id = current_setting('compliance.run_id');
