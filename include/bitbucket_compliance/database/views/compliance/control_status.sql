-- Purpose: where each control of each framework stands now, by what its tests found. A test that is switched off says
-- nothing of a control.

CREATE VIEW compliance.control_status AS
SELECT
    summary.workspace,
    controls.framework,
    controls.control,
    max(controls.title) AS control_title,
    array_agg(controls.test_id ORDER BY controls.test_id) FILTER (WHERE summary.enabled) AS tests,
    min(controls.strength) AS strength,
    CASE
        WHEN coalesce(sum(summary.fresh_passing + summary.fresh_failing), 0) = 0 THEN 'not observed'
        WHEN sum(summary.effective) = 0 THEN 'did not operate'
        WHEN
            sum(summary.effective) = sum(summary.passing + summary.failing + summary.pending + summary.error)
            THEN 'operated'
        ELSE 'operated with exceptions'
    END AS state,
    coalesce(sum(summary.effective), 0)::bigint AS effective,
    coalesce(sum(summary.failing), 0)::bigint AS failing,
    coalesce(sum(summary.pending + summary.error), 0)::bigint AS undecided,
    coalesce(sum(summary.stale), 0)::bigint AS stale,
    coalesce(sum(summary.bypassed), 0)::bigint AS bypassed,
    coalesce(sum(summary.overdue), 0)::bigint AS overdue,
    coalesce(sum(summary.excepted), 0)::bigint AS accepted,
    max(summary.workspace_id) AS workspace_id
FROM compliance.test_controls AS controls
INNER JOIN compliance.test_summary AS summary ON controls.test_id = summary.test_id
GROUP BY summary.workspace, controls.framework, controls.control;

COMMENT ON COLUMN compliance.control_status.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.control_status.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.control_status.framework IS 'Framework with its edition.';
COMMENT ON COLUMN compliance.control_status.control IS 'Control as the framework numbers it.';
COMMENT ON COLUMN compliance.control_status.control_title IS
'As the framework words it: its title, or what it asks for where it has none.';
COMMENT ON COLUMN compliance.control_status.tests IS
'Tests that are switched on and give evidence for it; null: none is.';
COMMENT ON COLUMN compliance.control_status.strength IS
'primary: it asks for just what a test sees; supporting: it asks for more, see test_controls.';
COMMENT ON COLUMN compliance.control_status.state IS
'operated: every subject passes, and is known to; operated with exceptions: some do; did not operate: none does; not observed: nothing is decided on data that is fresh. Over a period: control_period.';
COMMENT ON COLUMN compliance.control_status.effective IS
'Results that pass, neither stale nor gone around, over all its tests.';
COMMENT ON COLUMN compliance.control_status.failing IS 'Results that fail.';
COMMENT ON COLUMN compliance.control_status.undecided IS 'Results that are pending or could not be read.';
COMMENT ON COLUMN compliance.control_status.stale IS 'Results that can''t be relied on any more.';
COMMENT ON COLUMN compliance.control_status.bypassed IS 'Subjects of which merges went around a rule that was in force.';
COMMENT ON COLUMN compliance.control_status.overdue IS 'Failures past their due date whose risk nobody accepted.';
COMMENT ON COLUMN compliance.control_status.accepted IS 'Failures whose risk somebody accepted; they are among failing.';

GRANT SELECT ON compliance.control_status TO compliance_pipeline, compliance_console, compliance_reader;
