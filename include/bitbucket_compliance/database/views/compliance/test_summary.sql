-- Purpose: per workspace and test: how many subjects stand where.
-- Each workspace has a policy of its own, so what the newest publication of another one asked for says nothing here.

CREATE VIEW compliance.test_summary AS
-- By status first, in the order of the index: what is asked of each result is asked once, not by each count.
WITH grouped AS (
    SELECT
        results.workspace,
        results.test_id,
        results.status,
        count(*) AS subjects,
        count(*) FILTER (WHERE results.is_stale) AS stale,
        count(*) FILTER (WHERE results.exception_id IS NOT null) AS excepted,
        count(*) FILTER (WHERE results.bypassed > 0) AS bypassed,
        count(*) FILTER (WHERE NOT results.is_stale AND coalesce(results.bypassed, 0) = 0) AS reliable
    FROM compliance.current_results AS results
    GROUP BY results.workspace, results.test_id, results.status
),

-- One row a status each: the largest of a single number is that number.
counts AS (
    SELECT
        grouped.workspace,
        grouped.test_id,
        max(grouped.subjects) FILTER (WHERE grouped.status = 'passing') AS passing,
        max(grouped.subjects) FILTER (WHERE grouped.status = 'failing') AS failing,
        max(grouped.subjects) FILTER (WHERE grouped.status = 'pending') AS pending,
        max(grouped.subjects) FILTER (WHERE grouped.status = 'error') AS error,
        max(grouped.subjects) FILTER (WHERE grouped.status = 'not_applicable') AS not_applicable,
        sum(grouped.stale)::bigint AS stale,
        max(grouped.excepted) FILTER (WHERE grouped.status = 'failing') AS excepted,
        max(grouped.subjects - grouped.stale) FILTER (WHERE grouped.status = 'passing') AS fresh_passing,
        max(grouped.subjects - grouped.stale) FILTER (WHERE grouped.status = 'failing') AS fresh_failing,
        sum(grouped.bypassed)::bigint AS bypassed,
        max(grouped.reliable) FILTER (WHERE grouped.status = 'passing') AS effective
    FROM grouped
    GROUP BY grouped.workspace, grouped.test_id
),

overdue AS (
    SELECT
        findings.workspace,
        findings.test_id,
        count(*) AS findings
    FROM integration.unaccepted_findings AS findings
    WHERE findings.due_at < now()
    GROUP BY findings.workspace, findings.test_id
),

asked AS (
    SELECT
        asked.*,
        tests.display_order
    FROM compliance.workspace_tests AS asked
    INNER JOIN compliance.tests AS tests ON asked.test_id = tests.test_id
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
    asked.display_order,
    coalesce(counts.excepted, 0) AS excepted,
    coalesce(overdue.findings, 0) AS overdue,
    compliance.score(counts.passing, counts.failing) AS score,
    coalesce(counts.fresh_passing, 0) AS fresh_passing,
    coalesce(counts.fresh_failing, 0) AS fresh_failing,
    compliance.score(counts.fresh_passing, counts.fresh_failing) AS fresh_score,
    asked.workspace_id,
    coalesce(counts.bypassed, 0) AS bypassed,
    coalesce(counts.effective, 0) AS effective,
    compliance.score(
        coalesce(counts.effective, 0),
        coalesce(counts.passing, 0) + coalesce(counts.failing, 0) + coalesce(counts.pending, 0)
        + coalesce(counts.error, 0) - coalesce(counts.effective, 0)
    ) AS effective_share
FROM asked
LEFT JOIN counts ON asked.workspace = counts.workspace AND asked.test_id = counts.test_id
LEFT JOIN overdue ON asked.workspace = overdue.workspace AND asked.test_id = overdue.test_id;

COMMENT ON VIEW compliance.test_summary IS 'Per workspace and test: how many subjects stand where.';
COMMENT ON COLUMN compliance.test_summary.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.test_summary.workspace_id IS 'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.test_summary.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.test_summary.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.test_summary.severity IS 'Severity.';
COMMENT ON COLUMN compliance.test_summary.enabled IS 'Whether the policy asks for it.';
COMMENT ON COLUMN compliance.test_summary.status IS 'Worst status among the subjects; not_run where the test is switched off.';
COMMENT ON COLUMN compliance.test_summary.passing IS 'Subjects passing.';
COMMENT ON COLUMN compliance.test_summary.failing IS 'Subjects failing.';
COMMENT ON COLUMN compliance.test_summary.pending IS 'Subjects pending.';
COMMENT ON COLUMN compliance.test_summary.error IS 'Subjects that could not be read in the last run.';
COMMENT ON COLUMN compliance.test_summary.not_applicable IS 'Subjects the test does not apply to.';
COMMENT ON COLUMN compliance.test_summary.stale IS
'Subjects whose verdict is past its freshness; they are counted in the columns of their status too.';
COMMENT ON COLUMN compliance.test_summary.display_order IS 'Order in listings.';
COMMENT ON COLUMN compliance.test_summary.excepted IS 'Failing subjects whose risk somebody accepted; they are among failing.';
COMMENT ON COLUMN compliance.test_summary.overdue IS 'Subjects past their due date whose risk nobody accepted.';
COMMENT ON COLUMN compliance.test_summary.score IS 'Passing among passing and failing, in percent; null where nothing is decided.';
COMMENT ON COLUMN compliance.test_summary.fresh_passing IS 'Subjects passing whose verdict may still be relied on.';
COMMENT ON COLUMN compliance.test_summary.fresh_failing IS 'Subjects failing whose verdict may still be relied on.';
COMMENT ON COLUMN compliance.test_summary.fresh_score IS
'The score without what is stale: fresh_passing among fresh_passing and fresh_failing, in percent; null where nothing fresh is decided.';
COMMENT ON COLUMN compliance.test_summary.bypassed IS
'Subjects of which merges in the window went around a rule that was in force; they are counted in the columns of their status too.';
COMMENT ON COLUMN compliance.test_summary.effective IS
'Subjects of which it is known now that they pass: neither stale nor bypassed.';
COMMENT ON COLUMN compliance.test_summary.effective_share IS
'effective among all subjects that the test applies to, undecided ones included, in percent; null where it applies to none.';

GRANT SELECT ON compliance.test_summary TO compliance_pipeline, compliance_console, compliance_reader;
