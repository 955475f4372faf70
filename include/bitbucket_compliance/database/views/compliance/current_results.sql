-- Purpose: the newest published verdict of each subject by each enabled test.
-- An exception that has expired covers nothing, even where no run has published since.

CREATE VIEW compliance.current_results AS
SELECT
    workspace,
    test_id,
    test_title,
    severity,
    subject_type,
    subject_id,
    subject_name,
    status,
    basis,
    reason_code,
    reason,
    remediation,
    detail,
    first_seen_at,
    status_since,
    failing_since,
    due_at,
    CASE WHEN exception_expires_at > now() THEN exception_id END AS exception_id,
    evidence_id,
    bypassable,
    bypassed,
    data_as_of,
    fresh_until,
    coalesce(fresh_until < now(), true) AS is_stale,
    evaluated_at,
    run_id,
    policy_version,
    facts_hash,
    workspace_id
FROM compliance.results;

COMMENT ON VIEW compliance.current_results IS 'One row per enabled test and subject: the newest published verdict.';
COMMENT ON COLUMN compliance.current_results.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.current_results.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.current_results.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.current_results.severity IS 'Severity under the policy named by policy_version.';
COMMENT ON COLUMN compliance.current_results.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.current_results.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.current_results.subject_name IS 'Slug, display name or workspace slug, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.current_results.status IS 'passing, failing, pending, error or not_applicable.';
COMMENT ON COLUMN compliance.current_results.basis IS 'What decided: configuration, behaviour, evidence, registry; null where nothing could.';
COMMENT ON COLUMN compliance.current_results.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.current_results.reason IS 'The reason as a sentence.';
COMMENT ON COLUMN compliance.current_results.remediation IS 'What a person does next; null where there is nothing to do.';
COMMENT ON COLUMN compliance.current_results.detail IS 'Facts behind the verdict and context (jsonb).';
COMMENT ON COLUMN compliance.current_results.first_seen_at IS 'When this subject was first judged by this test.';
COMMENT ON COLUMN compliance.current_results.status_since IS 'Since when the status has been this one.';
COMMENT ON COLUMN compliance.current_results.failing_since IS 'Since when the subject fails; see findings for when that ends.';
COMMENT ON COLUMN compliance.current_results.due_at IS 'When the failure has to be fixed, under the policy of the day it was found.';
COMMENT ON COLUMN compliance.current_results.exception_id IS
'Accepted exception that covers this failure; null from its expiry on, computed when read.';
COMMENT ON COLUMN compliance.current_results.evidence_id IS
'The evidence that the verdict rests on, or that is past its validity; see evidence.';
COMMENT ON COLUMN compliance.current_results.data_as_of IS 'When the data that decided was read.';
COMMENT ON COLUMN compliance.current_results.fresh_until IS
'Until when the verdict may be relied on: its data is recent enough, and the evidence or roster behind it is not too old.';
COMMENT ON COLUMN compliance.current_results.is_stale IS 'Whether fresh_until lies in the past, computed when read.';
COMMENT ON COLUMN compliance.current_results.evaluated_at IS 'The moment that the verdict is of, when its run began: windows, ages and what is valid are counted from it.';
COMMENT ON COLUMN compliance.current_results.run_id IS 'Run that reached it; see runs.';
COMMENT ON COLUMN compliance.current_results.policy_version IS 'Policy under which it was reached.';
COMMENT ON COLUMN compliance.current_results.workspace_id IS 'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.current_results.facts_hash IS 'Hash of the facts that decided, and of nothing else.';
COMMENT ON COLUMN compliance.current_results.bypassable IS
'Whether the main branch can be pushed to past every pull request; null where rules about pushing can''t be read, and for other tests.';
COMMENT ON COLUMN compliance.current_results.bypassed IS
'How many merges in the window went around a rule that was in force; null where that is not known, and for other tests.';

GRANT SELECT ON compliance.current_results TO compliance_pipeline, compliance_console, compliance_reader;
