-- Purpose: the results that were published at an instant.
-- An interval is split at the expiry of its exception when the next publication, or housekeeping, comes by; until then
-- the expiry counts here as it does in current_results.

CREATE FUNCTION compliance.results_as_of(as_of timestamptz) RETURNS SETOF compliance.result_history
LANGUAGE sql STABLE
AS $as_of$
    SELECT history.*
    FROM compliance.result_history AS history
    WHERE
        history.valid_from <= as_of
        AND (history.valid_to IS NULL OR history.valid_to > as_of)
        AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
        AND NOT EXISTS (
            SELECT 1 FROM compliance.exceptions AS exceptions
            WHERE exceptions.exception_id = history.exception_id AND exceptions.expires_at <= as_of
        )
    UNION ALL
    SELECT (jsonb_populate_record(history, '{"exception_id": null}')).*
    FROM compliance.result_history AS history
    INNER JOIN compliance.exceptions AS exceptions ON history.exception_id = exceptions.exception_id
    WHERE
        history.exception_id IS NOT NULL
        AND history.valid_from <= as_of
        AND (history.valid_to IS NULL OR history.valid_to > as_of)
        AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
        AND exceptions.expires_at <= as_of
$as_of$;

COMMENT ON FUNCTION compliance.results_as_of(timestamptz) IS 'The results that were published at an instant.';

GRANT EXECUTE ON FUNCTION compliance.results_as_of(timestamptz)
TO compliance_pipeline, compliance_console, compliance_reader;
