-- Purpose: statistics of single tables in the middle of a load, and a classification whose cost does not grow with
-- repositories times entries.

-- ----------------------------------------------------------------- statistics

-- What a transaction wrote itself is unknown to the planner too, and its plan for an empty table is slow on a full one.
DROP FUNCTION staging.refresh_statistics(text);
CREATE FUNCTION staging.refresh_statistics(schema_name text, only_tables text[] DEFAULT null) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $statistics$
DECLARE
    table_name text;
BEGIN
    IF schema_name NOT IN ('landing', 'staging', 'registry', 'judged', 'compliance') THEN
        RAISE EXCEPTION 'statistics of schema % are none of the pipeline''s business', schema_name;
    END IF;
    FOR table_name IN
        SELECT tables.tablename
        FROM pg_tables AS tables
        WHERE tables.schemaname = schema_name AND (only_tables IS null OR tables.tablename = any(only_tables))
    LOOP
        EXECUTE format('ANALYZE %I.%I', schema_name, table_name);
    END LOOP;
END
$statistics$;
COMMENT ON FUNCTION staging.refresh_statistics(text, text[]) IS
'Statistics right after a bulk load, of a whole schema or of some of its tables: without them the planner takes every table for empty until autovacuum comes by.';
REVOKE EXECUTE ON FUNCTION staging.refresh_statistics(text, text[]) FROM public;
GRANT EXECUTE ON FUNCTION staging.refresh_statistics(text, text[]) TO compliance_pipeline;

-- ------------------------------------------------------------- classification

-- The rules are those of before. Entries for repositories and projects are found by equality, so that only globs are
-- compared one by one; each branch names staging.repositories itself, so that a reader's workspace reaches all of them.
CREATE OR REPLACE VIEW registry.repository_classification AS
WITH entries AS MATERIALIZED (
    SELECT
        in_force.*,
        CASE WHEN in_force.target_type = 'pattern' THEN length(replace(in_force.target, '*', '')) ELSE 0 END AS literals
    FROM registry.classification_in_force AS in_force
),

candidates AS (
    SELECT
        repositories.workspace AS in_workspace,
        repositories.repository_id,
        1 AS level,
        entries.*
    FROM staging.repositories AS repositories
    INNER JOIN entries ON lower(repositories.slug) = entries.target
    WHERE entries.target_type = 'repository'
    UNION ALL
    SELECT
        repositories.workspace AS in_workspace,
        repositories.repository_id,
        1 AS level,
        entries.*
    FROM staging.repositories AS repositories
    INNER JOIN entries ON lower(repositories.repository_id) = entries.target
    WHERE entries.target_type = 'repository'
    UNION ALL
    SELECT
        repositories.workspace AS in_workspace,
        repositories.repository_id,
        2 AS level,
        entries.*
    FROM staging.repositories AS repositories
    INNER JOIN entries ON lower(repositories.project_key) = entries.target
    WHERE entries.target_type = 'project'
    UNION ALL
    SELECT
        repositories.workspace AS in_workspace,
        repositories.repository_id,
        3 AS level,
        entries.*
    FROM staging.repositories AS repositories
    INNER JOIN entries ON staging.glob_matches(entries.target, lower(repositories.slug))
    WHERE entries.target_type = 'pattern'
)

SELECT DISTINCT ON (in_workspace, repository_id)
    in_workspace AS workspace,
    repository_id,
    classification,
    sensitivity,
    owner,
    target_type,
    target,
    entry_id
FROM candidates
WHERE workspace IS null OR workspace = lower(in_workspace)
ORDER BY
    in_workspace ASC,
    repository_id ASC,
    level ASC,
    literals DESC,
    (workspace IS NOT null) DESC,
    (target LIKE '{%') DESC,
    target ASC;

-- What nothing is ever looked for by needs no statistics, and documents are most of the work of making them.
ALTER TABLE landing.objects ALTER COLUMN body SET STATISTICS 0;
ALTER TABLE staging.branching_models ALTER COLUMN branch_types SET STATISTICS 0;
ALTER TABLE staging.branch_restrictions
ALTER COLUMN users SET STATISTICS 0,
ALTER COLUMN groups SET STATISTICS 0;
ALTER TABLE staging.pull_requests
ALTER COLUMN approved_by SET STATISTICS 0,
ALTER COLUMN created_on SET STATISTICS 0;
ALTER TABLE judged.verdicts
ALTER COLUMN reason SET STATISTICS 0,
ALTER COLUMN detail SET STATISTICS 0,
ALTER COLUMN facts SET STATISTICS 0;
ALTER TABLE compliance.results
ALTER COLUMN reason SET STATISTICS 0,
ALTER COLUMN remediation SET STATISTICS 0,
ALTER COLUMN detail SET STATISTICS 0;
ALTER TABLE compliance.result_history
ALTER COLUMN reason SET STATISTICS 0,
ALTER COLUMN detail SET STATISTICS 0;
