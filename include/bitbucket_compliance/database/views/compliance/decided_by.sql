-- Purpose: for each test, how many subjects were decided by what: how far the granted scopes reach in this workspace.

CREATE VIEW compliance.decided_by AS
SELECT
    results.workspace,
    results.test_id,
    count(*) FILTER (WHERE results.status <> 'not_applicable') AS subjects,
    count(*) FILTER (WHERE results.basis = 'configuration' AND results.detail ->> 'pull_request' IS null)
        AS by_settings,
    count(*) FILTER (WHERE results.basis = 'configuration' AND results.detail ->> 'pull_request' IS NOT null)
        AS by_open_pull_request,
    count(*) FILTER (WHERE results.basis = 'behaviour') AS by_behaviour,
    count(*) FILTER (WHERE results.basis = 'evidence') AS by_evidence,
    count(*) FILTER (WHERE results.basis = 'registry') AS by_registry,
    count(*) FILTER (WHERE results.status IN ('pending', 'error')) AS undecided
FROM compliance.current_results AS results
GROUP BY results.workspace, results.test_id;

COMMENT ON VIEW compliance.decided_by IS
'For each test, how many subjects were decided by what: how far the granted scopes reach in this workspace.';
COMMENT ON COLUMN compliance.decided_by.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.decided_by.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.decided_by.subjects IS 'Subjects that the test applies to.';
COMMENT ON COLUMN compliance.decided_by.by_settings IS
'Decided by settings of the subject itself, such as the repository''s own branch restrictions.';
COMMENT ON COLUMN compliance.decided_by.by_open_pull_request IS
'Decided by the merge checks of an open pull request, which show what the project hands down too.';
COMMENT ON COLUMN compliance.decided_by.by_behaviour IS 'Decided by what was merged, pushed or run.';
COMMENT ON COLUMN compliance.decided_by.by_evidence IS 'Decided by accepted evidence.';
COMMENT ON COLUMN compliance.decided_by.by_registry IS 'Decided by what people declared.';
COMMENT ON COLUMN compliance.decided_by.undecided IS 'pending or error.';

GRANT SELECT ON compliance.decided_by TO compliance_pipeline, compliance_console, compliance_reader;
