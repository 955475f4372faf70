-- Purpose: how repositories, projects and patterns were classified: what each declaration, and each import that was
-- taken back, changed.

CREATE VIEW compliance.classification_history AS
WITH periods AS (
    SELECT
        history.*,
        jsonb_build_object(
            'classification', history.classification, 'sensitivity', history.sensitivity, 'owner', history.owner
        ) AS body
    FROM registry.classification_history AS history
)

SELECT
    periods.workspace,
    CASE
        WHEN periods.classification IS null THEN 'withdrawn'
        WHEN withdrawn.import_id IS NOT null THEN 'stands_again'
        ELSE 'declared'
    END AS kind,
    periods.target_type || ' ' || periods.target AS subject,
    periods.valid_from AS happened_at,
    coalesce(withdrawn.taken_back_by::text, periods.set_by) AS who,
    (
        SELECT old.body
        FROM periods AS old
        WHERE
            old.target_type = periods.target_type
            AND old.target = periods.target
            AND old.workspace IS NOT DISTINCT FROM periods.workspace
            AND old.valid_to = periods.valid_from
            AND old.entry_id <> periods.entry_id
        ORDER BY old.valid_from DESC
        LIMIT 1
    ) AS before,
    CASE WHEN periods.classification IS NOT null THEN periods.body END AS after,
    coalesce(withdrawn.reason, 'Imported from ' || periods.file_name || '.') AS reason,
    concat_ws(' ', 'entry', periods.entry_id, periods.valid_from) AS entry_id
FROM periods
LEFT JOIN registry.import_withdrawals AS withdrawn
    ON periods.valid_from > periods.set_at AND periods.valid_from = withdrawn.taken_back_at
UNION ALL
-- an import was taken back, and nothing was declared before it
SELECT
    periods.workspace,
    'taken_back' AS kind,
    periods.target_type || ' ' || periods.target AS subject,
    withdrawals.taken_back_at AS happened_at,
    withdrawals.taken_back_by::text AS who,
    periods.body AS before,
    null AS after,
    withdrawals.reason,
    concat_ws(' ', 'taken back', periods.entry_id, periods.valid_from) AS entry_id
FROM periods
INNER JOIN registry.classification AS entries ON periods.entry_id = entries.entry_id
INNER JOIN registry.import_withdrawals AS withdrawals ON entries.import_id = withdrawals.import_id
WHERE
    coalesce(periods.valid_to >= withdrawals.taken_back_at, true)
    AND withdrawals.taken_back_at >= periods.valid_from
    AND NOT EXISTS (
        SELECT 1 FROM periods AS stands
        WHERE
            stands.target_type = periods.target_type
            AND stands.target = periods.target
            AND stands.workspace IS NOT DISTINCT FROM periods.workspace
            AND stands.valid_from = withdrawals.taken_back_at
    );

COMMENT ON COLUMN compliance.classification_history.workspace IS 'Workspace slug; null: declared for every workspace.';
COMMENT ON COLUMN compliance.classification_history.kind IS
'declared, withdrawn (an entry that declares nothing), taken_back (its import was, and nothing stands), or stands_again (the import after it was taken back).';
COMMENT ON COLUMN compliance.classification_history.subject IS
'What is classified: repository, project or pattern, and its name.';
COMMENT ON COLUMN compliance.classification_history.happened_at IS 'When, by the server''s clock.';
COMMENT ON COLUMN compliance.classification_history.who IS
'Who did it, as airflow:login or os:login; null: nobody, it happened by itself.';
COMMENT ON COLUMN compliance.classification_history.before IS
'Classification, sensitivity and owner before (jsonb); null: nothing was declared.';
COMMENT ON COLUMN compliance.classification_history.after IS
'The same from then on (jsonb); null: nothing is declared.';
COMMENT ON COLUMN compliance.classification_history.reason IS
'Which file it was imported from, or why the import was taken back; null: it was declared in the console, which asks for no reason.';
COMMENT ON COLUMN compliance.classification_history.entry_id IS
'Names the row: what happened, and the id of what it happened to.';

GRANT SELECT ON compliance.classification_history TO compliance_pipeline, compliance_console, compliance_reader;
