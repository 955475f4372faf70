-- Purpose: for each test, how many subjects were decided by what: how far the granted scopes reach in this workspace.

CREATE VIEW compliance.decided_by AS
WITH counted AS (
    SELECT
        results.workspace,
        results.test_id,
        min(results.subject_type) AS subject_type,
        count(*) AS subjects,
        count(*) FILTER (WHERE results.basis = 'configuration' AND results.detail ->> 'pull_request' IS null)
            AS by_settings,
        -- data_as_of: the pull request that showed the merge checks is open no more
        count(*) FILTER (
            WHERE results.basis = 'configuration' AND results.detail ->> 'pull_request' IS NOT null
            AND results.detail ->> 'data_as_of' IS null
        ) AS by_open_pull_request,
        count(*) FILTER (
            WHERE results.basis = 'configuration' AND results.detail ->> 'pull_request' IS NOT null
            AND results.detail ->> 'data_as_of' IS NOT null
        ) AS by_closed_pull_request,
        count(*) FILTER (WHERE results.basis = 'behaviour') AS by_behaviour,
        count(*) FILTER (WHERE results.basis = 'evidence') AS by_evidence,
        count(*) FILTER (WHERE results.basis = 'registry') AS by_registry,
        count(*) FILTER (WHERE results.status IN ('pending', 'error')) AS undecided
    FROM compliance.current_results AS results
    WHERE results.status <> 'not_applicable'
    GROUP BY results.workspace, results.test_id
)

SELECT
    counted.workspace,
    counted.test_id,
    counted.subjects,
    counted.by_settings,
    counted.by_open_pull_request,
    counted.by_closed_pull_request,
    counted.by_behaviour,
    counted.by_evidence,
    counted.by_registry,
    counted.undecided,
    format(
        'of %s %s: %s',
        counted.subjects,
        CASE
            WHEN counted.subject_type = 'repository' AND counted.subjects <> 1 THEN 'repositories'
            WHEN counted.subjects <> 1 THEN counted.subject_type || 's'
            ELSE counted.subject_type
        END,
        concat_ws(
            ', ',
            nullif(counted.by_settings, 0) || ' by settings of their own',
            nullif(counted.by_open_pull_request, 0) || ' by an open pull request',
            nullif(counted.by_closed_pull_request, 0) || ' by a pull request closed since',
            nullif(counted.by_behaviour, 0) || ' by behaviour',
            nullif(counted.by_evidence, 0) || ' by evidence',
            nullif(counted.by_registry, 0) || ' by what was declared',
            counted.undecided || ' undecided'
        )
    ) AS summary
FROM counted;

COMMENT ON VIEW compliance.decided_by IS
'For each test, how many subjects were decided by what: how far the granted scopes reach in this workspace.';
COMMENT ON COLUMN compliance.decided_by.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.decided_by.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.decided_by.subjects IS 'Subjects that the test applies to.';
COMMENT ON COLUMN compliance.decided_by.by_settings IS
'Decided by settings of the subject itself, such as the repository''s own branch restrictions.';
COMMENT ON COLUMN compliance.decided_by.by_open_pull_request IS
'Decided by the merge checks of an open pull request, which show what the project hands down too.';
COMMENT ON COLUMN compliance.decided_by.by_closed_pull_request IS
'Decided by the merge checks of a pull request that was closed since; see merge_checks_valid_days of the policy.';
COMMENT ON COLUMN compliance.decided_by.by_behaviour IS 'Decided by what was merged, pushed or run.';
COMMENT ON COLUMN compliance.decided_by.by_evidence IS 'Decided by accepted evidence.';
COMMENT ON COLUMN compliance.decided_by.by_registry IS 'Decided by what people declared.';
COMMENT ON COLUMN compliance.decided_by.undecided IS 'pending or error.';
COMMENT ON COLUMN compliance.decided_by.summary IS 'The counts as a sentence, without those that are 0.';

GRANT SELECT ON compliance.decided_by TO compliance_pipeline, compliance_console, compliance_reader;
