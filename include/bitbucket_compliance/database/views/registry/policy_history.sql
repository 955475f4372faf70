-- Purpose: what each workspace's policy changed in the defaults, by whom, why, from when until when.

CREATE VIEW registry.policy_history AS
WITH overrides AS (
    SELECT
        override_id,
        lower(btrim(workspace)) AS workspace,
        body,
        set_by,
        set_at,
        reason,
        max(set_at) OVER (PARTITION BY lower(btrim(workspace)) ORDER BY override_id) AS valid_from
    FROM registry.policy_overrides
)

SELECT
    override_id,
    workspace,
    body,
    set_by,
    set_at,
    reason,
    valid_from,
    lead(valid_from) OVER (PARTITION BY workspace ORDER BY override_id) AS valid_to,
    lead(override_id) OVER (PARTITION BY workspace ORDER BY override_id) IS null AS in_force
FROM overrides;

GRANT SELECT ON registry.policy_history TO compliance_pipeline, compliance_console;
