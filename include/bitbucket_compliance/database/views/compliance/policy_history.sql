-- Purpose: how the policy of each workspace changed: what was set, proposed and decided by whom, and by which policy
-- runs judged since.

CREATE VIEW compliance.policy_history AS
WITH versions AS (
    SELECT
        versions.policy_version,
        parts.key,
        parts.value
    FROM registry.policy_versions AS versions
    CROSS JOIN
        LATERAL (
            SELECT
                'tests.' || tests.key AS key,
                tests.value
            FROM jsonb_each(versions.body -> 'tests') AS tests
            UNION ALL
            SELECT
                'thresholds.' || thresholds.key AS key,
                thresholds.value
            FROM jsonb_each(versions.body -> 'thresholds') AS thresholds
            UNION ALL
            SELECT
                'evidence.' || evidence.key AS key,
                evidence.value
            FROM jsonb_each(versions.body -> 'evidence') AS evidence
        ) AS parts
),

judged AS (
    SELECT
        runs.workspace,
        runs.run_id,
        runs.started_at,
        runs.policy_version,
        lag(runs.policy_version) OVER (
            PARTITION BY runs.workspace ORDER BY runs.started_at, runs.opened_at
        ) AS version_before
    FROM integration.runs AS runs
    WHERE runs.status = 'published'
)

SELECT
    states.workspace,
    CASE WHEN states.lowers = '{}' THEN 'set' ELSE 'proposed' END AS kind,
    'override ' || states.override_id AS subject,
    states.set_at AS happened_at,
    states.set_by::text AS who,
    (
        SELECT held.body
        FROM registry.policy_history AS held
        WHERE held.workspace = states.workspace AND held.valid_from < states.set_at
        ORDER BY held.valid_from DESC, held.override_id DESC
        LIMIT 1
    ) AS before,
    states.body AS after,
    states.reason,
    'set ' || states.override_id AS entry_id
FROM registry.policy_states AS states
UNION ALL
SELECT
    states.workspace,
    decisions.decision AS kind,
    'override ' || states.override_id AS subject,
    decisions.decided_at AS happened_at,
    decisions.decided_by::text AS who,
    (
        SELECT held.body
        FROM registry.policy_history AS held
        WHERE held.workspace = states.workspace AND held.valid_from < decisions.decided_at
        ORDER BY held.valid_from DESC, held.override_id DESC
        LIMIT 1
    ) AS before,
    CASE WHEN decisions.decision = 'accepted' THEN states.body END AS after,
    decisions.reason,
    'decided ' || states.override_id AS entry_id
FROM registry.policy_decisions AS decisions
INNER JOIN registry.policy_states AS states ON decisions.override_id = states.override_id
UNION ALL
SELECT
    judged.workspace,
    'judged_by' AS kind,
    'policy ' || judged.policy_version AS subject,
    judged.started_at AS happened_at,
    null AS who,
    (
        SELECT jsonb_object_agg(old.key, old.value)
        FROM versions AS old
        LEFT JOIN versions AS new
            ON old.key = new.key AND new.policy_version = judged.policy_version
        WHERE old.policy_version = judged.version_before AND old.value IS DISTINCT FROM new.value
    ) AS before,
    (
        SELECT jsonb_object_agg(new.key, new.value)
        FROM versions AS new
        LEFT JOIN versions AS old
            ON new.key = old.key AND old.policy_version = judged.version_before
        WHERE new.policy_version = judged.policy_version AND new.value IS DISTINCT FROM old.value
    ) AS after,
    CASE
        WHEN judged.version_before IS null THEN 'The first run.'
        ELSE 'The first run under this policy; the one before was judged by ' || judged.version_before || '.'
    END AS reason,
    'judged_by ' || judged.run_id AS entry_id
FROM judged
WHERE judged.policy_version IS DISTINCT FROM judged.version_before;

COMMENT ON COLUMN compliance.policy_history.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.policy_history.kind IS
'set; proposed, where it asks for less and somebody else has to accept it; accepted, rejected or withdrawn; judged_by: a run was the first to be judged by it.';
COMMENT ON COLUMN compliance.policy_history.subject IS
'What was set, as "override" and its number, or the policy that a run was judged by, as "policy" and its version; see policies.';
COMMENT ON COLUMN compliance.policy_history.happened_at IS
'When, by the server''s clock; of judged_by the start of the run.';
COMMENT ON COLUMN compliance.policy_history.who IS
'Who did it, as airflow:login or os:login; null: nobody, it happened by itself.';
COMMENT ON COLUMN compliance.policy_history.before IS
'What the workspace''s policy changed in the defaults before; of judged_by the old values of the keys that differ (jsonb). Null: nothing.';
COMMENT ON COLUMN compliance.policy_history.after IS 'The same afterwards (jsonb); null: it came to nothing.';
COMMENT ON COLUMN compliance.policy_history.reason IS 'What was said; null: nothing.';
COMMENT ON COLUMN compliance.policy_history.entry_id IS
'Names the row: what happened, and the id of what it happened to.';

GRANT SELECT ON compliance.policy_history TO compliance_pipeline, compliance_console, compliance_reader;
