-- Purpose: declared data with its history: who set what when, and which policy each workspace is judged by.

-- ----------------------------------------------------------------- the roster

ALTER TABLE registry.imports
ADD COLUMN source text NOT NULL DEFAULT 'file' CHECK (source IN ('file', 'sql', 'scim'));
COMMENT ON COLUMN registry.imports.source IS 'file, sql (a query over an Airflow connection) or scim (a directory).';
COMMENT ON COLUMN registry.imports.file_name IS 'Name of the file; sql:<connection> or scim:<connection> otherwise.';
COMMENT ON COLUMN registry.imports.file_sha256 IS 'Of the file; of the rows in canonical JSON where there was none.';

CREATE VIEW registry.roster_history AS
WITH rosters AS (
    SELECT
        imports.*,
        -- The roster is the newest import; a clock that was set back must not open two at a time.
        max(imports.imported_at) OVER (ORDER BY imports.import_id) AS valid_from
    FROM registry.imports AS imports
    WHERE imports.kind = 'roster'
)

SELECT
    import_id,
    source,
    file_name,
    file_sha256,
    row_count AS rows,
    imported_by,
    imported_at,
    valid_from,
    lead(valid_from) OVER (ORDER BY import_id) AS valid_to,
    lead(import_id) OVER (ORDER BY import_id) IS null AS is_current
FROM rosters;
COMMENT ON VIEW registry.roster_history IS
'Every roster that was ever in force: from where, by whom, from when until when. Its people are in registry.people.';

-- ------------------------------------------------------------- classification

ALTER TABLE registry.classification
ALTER COLUMN classification DROP NOT NULL,
ADD CONSTRAINT withdrawal_declares_nothing CHECK (
    classification IS NOT null OR (sensitivity IS null AND owner IS null)
);
COMMENT ON COLUMN registry.classification.classification IS
'production or non_production; null takes the entry back, and what else matches decides.';

CREATE OR REPLACE VIEW registry.classification_in_force AS
WITH newest AS (
    SELECT DISTINCT ON (coalesce(workspace, ''), target_type, target)
        entry_id,
        workspace,
        target_type,
        target,
        classification,
        sensitivity,
        owner
    FROM registry.classification
    ORDER BY coalesce(workspace, ''), target_type ASC, target ASC, entry_id DESC
)

SELECT
    entry_id,
    workspace,
    target_type,
    target,
    classification,
    sensitivity,
    owner
FROM newest
WHERE classification IS NOT null;
COMMENT ON VIEW registry.classification_in_force IS
'The newest entry of each (workspace, target_type, target), unless it takes the one before it back.';

COMMENT ON VIEW registry.repository_classification IS
'What a repository is classified as. Of the entries in force that match it the first wins, in this order: 1. an entry for the repository itself before one for its project, that before a slug glob; 2. among globs the one with the most characters other than *; 3. an entry for this workspace before one for all; 4. a uuid before a slug; 5. the alphabet.';

CREATE VIEW registry.classification_history AS
WITH entries AS (
    SELECT
        classification.*,
        max(classification.declared_at) OVER target_so_far AS valid_from
    FROM registry.classification AS classification
    WINDOW target_so_far AS (
        PARTITION BY classification.workspace, classification.target_type, classification.target
        ORDER BY classification.entry_id
    )
)

SELECT
    entries.entry_id,
    entries.workspace,
    entries.target_type,
    entries.target,
    entries.classification,
    entries.sensitivity,
    entries.owner,
    entries.declared_by AS set_by,
    entries.declared_at AS set_at,
    entries.valid_from,
    lead(entries.valid_from) OVER (
        PARTITION BY entries.workspace, entries.target_type, entries.target
        ORDER BY entries.entry_id
    ) AS valid_to,
    imports.file_name,
    imports.file_sha256
FROM entries
LEFT JOIN registry.imports AS imports ON entries.import_id = imports.import_id;
COMMENT ON VIEW registry.classification_history IS
'Every entry that was ever declared: who set what when, and until when it stood. classification null: taken back.';

-- --------------------------------------------------------------------- policy

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
COMMENT ON VIEW registry.policy_history IS
'What each workspace''s policy changed in the defaults, by whom, why, from when until when.';

-- Each workspace has a policy of its own, so what the newest publication of another one asked for says nothing here.
CREATE OR REPLACE VIEW compliance.test_summary AS
WITH workspaces AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        policies.body -> 'tests' AS policy
    FROM integration.runs AS runs
    LEFT JOIN registry.policy_versions AS policies ON runs.policy_version = policies.policy_version
    WHERE runs.status = 'published'
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

counts AS (
    SELECT
        results.workspace,
        results.test_id,
        count(*) FILTER (WHERE results.status = 'passing') AS passing,
        count(*) FILTER (WHERE results.status = 'failing') AS failing,
        count(*) FILTER (WHERE results.status = 'pending') AS pending,
        count(*) FILTER (WHERE results.status = 'error') AS error,
        count(*) FILTER (WHERE results.status = 'not_applicable') AS not_applicable,
        count(*) FILTER (WHERE coalesce(results.fresh_until < now(), true)) AS stale
    FROM compliance.results AS results
    GROUP BY results.workspace, results.test_id
),

asked AS (
    SELECT
        workspaces.workspace,
        tests.test_id,
        tests.test_title,
        coalesce(workspaces.policy -> tests.test_id ->> 'severity', tests.severity) AS severity,
        coalesce((workspaces.policy -> tests.test_id ->> 'enabled')::boolean, tests.enabled) AS enabled,
        tests.display_order
    FROM workspaces
    CROSS JOIN compliance.tests AS tests
)

SELECT
    asked.workspace,
    asked.test_id,
    asked.test_title,
    asked.severity,
    asked.enabled,
    CASE
        WHEN NOT asked.enabled THEN 'not_run'
        WHEN counts.failing > 0 THEN 'failing'
        WHEN counts.error > 0 THEN 'error'
        WHEN counts.pending > 0 THEN 'pending'
        WHEN counts.passing > 0 THEN 'passing'
        ELSE 'not_applicable'
    END AS status,
    coalesce(counts.passing, 0) AS passing,
    coalesce(counts.failing, 0) AS failing,
    coalesce(counts.pending, 0) AS pending,
    coalesce(counts.error, 0) AS error,
    coalesce(counts.not_applicable, 0) AS not_applicable,
    coalesce(counts.stale, 0) AS stale,
    asked.display_order
FROM asked
LEFT JOIN counts ON asked.workspace = counts.workspace AND asked.test_id = counts.test_id;

-- --------------------------------------------------------------------- grants

GRANT SELECT ON registry.roster_history, registry.classification_history, registry.policy_history
TO compliance_pipeline, compliance_console;
