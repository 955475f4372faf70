-- Purpose: one row a workspace: the score over its tests, weighted by severity, and what is not in it.

CREATE VIEW compliance.workspace_score AS
SELECT
    summary.workspace,
    compliance.score(
        sum(weights.weight * summary.passing) FILTER (WHERE summary.enabled),
        sum(weights.weight * summary.failing) FILTER (WHERE summary.enabled)
    ) AS score,
    sum(summary.passing)::bigint AS passing,
    sum(summary.failing)::bigint AS failing,
    sum(summary.pending)::bigint AS pending,
    sum(summary.error)::bigint AS error,
    sum(summary.not_applicable)::bigint AS not_applicable,
    sum(summary.stale)::bigint AS stale,
    sum(summary.excepted)::bigint AS excepted,
    sum(summary.overdue)::bigint AS overdue,
    compliance.score(
        sum(weights.weight * summary.fresh_passing) FILTER (WHERE summary.enabled),
        sum(weights.weight * summary.fresh_failing) FILTER (WHERE summary.enabled)
    ) AS fresh_score,
    min(summary.workspace_id) AS workspace_id,
    sum(summary.bypassed)::bigint AS bypassed,
    sum(summary.effective)::bigint AS effective
FROM compliance.test_summary AS summary
INNER JOIN compliance.severity_weights AS weights ON summary.severity = weights.severity
GROUP BY summary.workspace;

COMMENT ON VIEW compliance.workspace_score IS
'One row a workspace: the share of passing among decided verdicts, weighted by severity, with what is not in it beside it.';
COMMENT ON COLUMN compliance.workspace_score.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.workspace_score.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.workspace_score.score IS
'100 × Σ weight × passing ÷ Σ weight × (passing + failing) over enabled tests; weights in severity_weights; null where nothing is decided.';
COMMENT ON COLUMN compliance.workspace_score.passing IS 'Verdicts passing.';
COMMENT ON COLUMN compliance.workspace_score.failing IS 'Verdicts failing, those with an accepted exception included.';
COMMENT ON COLUMN compliance.workspace_score.pending IS 'Verdicts that wait for something; not in the score.';
COMMENT ON COLUMN compliance.workspace_score.error IS 'Verdicts whose data could not be collected; not in the score.';
COMMENT ON COLUMN compliance.workspace_score.not_applicable IS 'Subjects that a test does not apply to.';
COMMENT ON COLUMN compliance.workspace_score.stale IS 'Verdicts past their freshness; they are among the others too.';
COMMENT ON COLUMN compliance.workspace_score.excepted IS 'Failing verdicts whose risk somebody accepted.';
COMMENT ON COLUMN compliance.workspace_score.overdue IS 'Verdicts past their due date whose risk nobody accepted.';
COMMENT ON COLUMN compliance.workspace_score.fresh_score IS
'The score over verdicts that are not stale alone; null where none of them is decided. It differs from score where a publication is overdue.';
COMMENT ON COLUMN compliance.workspace_score.bypassed IS
'Verdicts on subjects of which merges in the window went around a rule that was in force.';
COMMENT ON COLUMN compliance.workspace_score.effective IS
'Verdicts of which it is known now that they pass: neither stale nor bypassed.';

GRANT SELECT ON compliance.workspace_score TO compliance_pipeline, compliance_console, compliance_reader;
