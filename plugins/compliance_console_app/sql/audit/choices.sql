-- Purpose: who and what the audit trail knows, for its filters.

SELECT
    array_agg(DISTINCT audit.actor ORDER BY audit.actor) AS actors,
    array_agg(DISTINCT audit.action ORDER BY audit.action) AS actions
FROM integration.console_audit AS audit;
