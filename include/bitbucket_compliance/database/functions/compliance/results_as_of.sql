-- Purpose: the results that were published at an instant, with the dates they had then.
-- An interval is split at the expiry of its exception when the next publication, or housekeeping, comes by; until then
-- the expiry counts here as it does in current_results.

CREATE FUNCTION compliance.results_as_of(as_of timestamptz)
RETURNS TABLE (
    workspace text, test_id text, subject_type text, subject_id text, subject_name text, severity text, status text,
    basis text, reason_code text, reason text, detail jsonb, facts_hash text, exception_id uuid, policy_version text,
    run_id text, valid_from timestamptz, valid_to timestamptz, data_as_of timestamptz, evidence_id uuid,
    evidence_until timestamptz, bypassed integer, workspace_id text, failing_since timestamptz, due_at timestamptz,
    is_stale boolean
)
LANGUAGE sql STABLE
AS $as_of$
    SELECT
        history.workspace,
        history.test_id,
        history.subject_type,
        history.subject_id,
        history.subject_name,
        history.severity,
        history.status,
        history.basis,
        history.reason_code,
        history.reason,
        history.detail,
        history.facts_hash,
        CASE WHEN expired.exception_id IS null THEN history.exception_id END,
        history.policy_version,
        history.run_id,
        history.valid_from,
        history.valid_to,
        history.data_as_of,
        history.evidence_id,
        history.evidence_until,
        history.bypassed,
        history.workspace_id,
        findings.found_at,
        findings.due_at,
        stale.subject_id IS NOT null
    FROM compliance.result_history AS history
    LEFT JOIN compliance.exceptions AS expired
        ON history.exception_id = expired.exception_id AND expired.expires_at <= as_of
    -- A clock that was put back may have let a finding begin before the last one ended: the newest one counts.
    LEFT JOIN (
        SELECT DISTINCT ON (found.workspace, found.test_id, found.subject_id)
            found.workspace,
            found.test_id,
            found.subject_id,
            found.found_at,
            found.due_at
        FROM compliance.findings AS found
        WHERE found.found_at <= as_of AND (found.ended_at IS null OR found.ended_at > as_of)
        ORDER BY
            found.workspace ASC, found.test_id ASC, found.subject_id ASC,
            (found.ended_at IS null) DESC, found.found_at DESC, found.finding_id ASC
    ) AS findings
        ON
            history.workspace = findings.workspace
            AND history.test_id = findings.test_id
            AND history.subject_id = findings.subject_id
    LEFT JOIN (
        SELECT DISTINCT
            periods.workspace,
            periods.test_id,
            periods.subject_id
        FROM compliance.stale_periods AS periods
        WHERE periods.stale_from <= as_of AND (periods.stale_to IS null OR periods.stale_to > as_of)
    ) AS stale
        ON
            history.workspace = stale.workspace
            AND history.test_id = stale.test_id
            AND history.subject_id = stale.subject_id
    WHERE
        history.valid_from <= as_of
        AND (history.valid_to IS null OR history.valid_to > as_of)
        AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
        -- what is left of earlier times is not all there was
        AND history.workspace NOT IN (
            SELECT kept.workspace FROM compliance.history_kept AS kept WHERE kept.kept_from > as_of
        )
$as_of$;

COMMENT ON FUNCTION compliance.results_as_of(timestamptz) IS
'The results that were published at an instant, with failing_since, due_at and is_stale as they were.';

GRANT EXECUTE ON FUNCTION compliance.results_as_of(timestamptz)
TO compliance_pipeline, compliance_console, compliance_reader;
