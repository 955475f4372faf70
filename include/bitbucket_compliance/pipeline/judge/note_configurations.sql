-- Purpose: keep what the test made of each configuration that was read, for the time when it can be read no more, and
-- since when its rule has been in force. A reading that says nothing of a rule (in_force null) breaks nothing. Rules
-- that could be read and were made good by evidence alone failed all the same; the evidence goes on counting.

INSERT INTO judged.configurations AS known (
    workspace, test_id, subject_id, run_id, read_at, failed, last_failed_at, in_force_since
)
SELECT
    verdicts.workspace,
    verdicts.test_id,
    verdicts.subject_id,
    verdicts.run_id,
    verdicts.data_as_of,
    CASE verdicts.basis
        WHEN 'configuration' THEN verdicts.status = 'failing'
        WHEN 'evidence' THEN true
        ELSE coalesce(NOT (verdicts.detail ->> 'in_force')::boolean, verdicts.detail ->> 'missing' <> '[]', false)
    END,
    CASE WHEN verdicts.status = 'failing' AND verdicts.basis = 'configuration' THEN verdicts.data_as_of END,
    CASE WHEN (verdicts.detail ->> 'in_force')::boolean THEN verdicts.data_as_of END
FROM judged.verdicts AS verdicts
WHERE
    verdicts.workspace = %(workspace)s
    AND verdicts.run_id = %(run_id)s
    AND verdicts.test_id = %(test_id)s
    AND verdicts.data_as_of IS NOT null
    AND (
        verdicts.basis = 'configuration'
        OR (
            verdicts.status IN ('passing', 'failing')
            AND ((verdicts.detail ->> 'in_force') IS NOT null OR verdicts.detail ->> 'configuration' = 'ok')
        )
    )
ON CONFLICT (workspace, test_id, subject_id) DO UPDATE
    SET
        run_id = excluded.run_id,
        read_at = excluded.read_at,
        failed = excluded.failed,
        last_failed_at = coalesce(excluded.last_failed_at, known.last_failed_at),
        in_force_since = CASE
            WHEN excluded.in_force_since IS NOT null THEN coalesce(known.in_force_since, excluded.in_force_since)
        END;
