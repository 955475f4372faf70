-- Who decided what in the period, and why?
-- Purpose: accepted risks, evidence, policies and classification of a half-year in one list, the newest first.

SELECT
    decided.happened_at::date AS decided_on,
    decided.what,
    decided.kind,
    decided.who,
    decided.reason
FROM (
    SELECT
        'risk' AS what,
        risks.*
    FROM compliance.exception_history AS risks
    UNION ALL
    SELECT
        'evidence' AS what,
        shown.*
    FROM compliance.evidence_history AS shown
    UNION ALL
    SELECT
        'policy' AS what,
        policies.*
    FROM compliance.policy_history AS policies
    UNION ALL
    SELECT
        'classification' AS what,
        declared.*
    FROM compliance.classification_history AS declared
) AS decided
WHERE
    coalesce(decided.workspace, 'demo-workspace') = 'demo-workspace'
    AND decided.happened_at >= '2025-10-01 00:00:00+00'
    AND decided.happened_at < '2026-04-01 00:00:00+00'
ORDER BY decided.happened_at DESC, decided.entry_id ASC
LIMIT 10;
