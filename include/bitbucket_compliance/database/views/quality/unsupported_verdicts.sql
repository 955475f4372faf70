-- Purpose: verdicts on evidence that is missing, not accepted, about another test, captured later than the run, or run
-- out; days are those of the policy's time zone.

CREATE VIEW quality.unsupported_verdicts AS
WITH policy AS (
    SELECT
        (policies.body #>> '{thresholds,evidence_validity_days}')::integer AS validity_days,
        policies.body #>> '{thresholds,time_zone}' AS time_zone
    FROM integration.runs AS runs
    INNER JOIN registry.policy_versions AS policies ON runs.policy_version = policies.policy_version
    WHERE runs.run_id = current_setting('compliance.run_id')
),

rested AS (
    SELECT
        verdicts.test_id,
        verdicts.subject_id,
        verdicts.repository,
        verdicts.status,
        verdicts.detail ->> 'evidence_id' AS evidence_id,
        evidence.status AS evidence_status,
        evidence.test_id AS evidence_about,
        evidence.captured_on,
        evidence.captured_on + policy.validity_days AS runs_out_on,
        (verdicts.evaluated_at AT TIME ZONE policy.time_zone)::date AS judged_on
    FROM quality.verdicts AS verdicts
    CROSS JOIN policy
    LEFT JOIN registry.evidence_states AS evidence ON verdicts.detail ->> 'evidence_id' = evidence.evidence_id::text
    WHERE verdicts.basis = 'evidence' AND verdicts.status IN ('passing', 'failing')
)

SELECT * FROM rested
WHERE
    evidence_status IS DISTINCT FROM 'accepted'
    OR evidence_about <> test_id
    OR captured_on > judged_on
    OR runs_out_on <= judged_on;
