-- Purpose: when published results could not be relied on: from the end of their freshness until a run confirmed them.

CREATE VIEW compliance.stale_periods AS
SELECT
    noted.workspace,
    noted.test_id,
    noted.subject_id,
    noted.stale_from,
    noted.stale_to,
    noted.workspace_id
FROM compliance.stale_records AS noted
UNION ALL
SELECT
    unnoted.workspace,
    unnoted.test_id,
    unnoted.subject_id,
    unnoted.stale_from,
    null AS stale_to,
    unnoted.workspace_id
FROM integration.unnoted_stale_periods AS unnoted;

COMMENT ON VIEW compliance.stale_periods IS
'When a published result could not be relied on: from the end of its freshness until a run confirmed it. One that begins in the future begins then unless a run confirms the result before.';
COMMENT ON COLUMN compliance.stale_periods.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.stale_periods.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.stale_periods.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.stale_periods.stale_from IS 'The first instant at which the result could not be relied on.';
COMMENT ON COLUMN compliance.stale_periods.stale_to IS
'When a run confirmed it, or it left the results; null: neither happened.';
COMMENT ON COLUMN compliance.stale_periods.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

GRANT SELECT ON compliance.stale_periods TO compliance_pipeline, compliance_console, compliance_reader;
