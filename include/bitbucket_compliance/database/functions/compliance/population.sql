-- Purpose: the rows of a population in a period of days (UTC, the last one counts), each by its key: what a sample is
-- drawn from. Whoever asks needs the right to read the view behind it.

CREATE FUNCTION compliance.population(in_workspace text, in_population text, first_day date, last_day date)
RETURNS TABLE (key text, happened_on date)
LANGUAGE plpgsql STABLE
AS $population$
DECLARE
    starts_at CONSTANT timestamptz := first_day::timestamp AT TIME ZONE 'UTC';
    ends_at CONSTANT timestamptz := (last_day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    CASE in_population
        WHEN 'changes', 'pull_requests', 'direct_pushes' THEN
            RETURN QUERY
            SELECT
                changes.repository_id || ' ' || changes.kind || ' ' || changes.change_key,
                (changes.merged_on AT TIME ZONE 'UTC')::date
            FROM compliance.changes AS changes
            WHERE
                changes.workspace = in_workspace
                AND changes.in_scope
                AND changes.merged_on >= starts_at
                AND changes.merged_on < ends_at
                AND (
                    in_population = 'changes'
                    OR (in_population = 'pull_requests') = (changes.kind = 'pull_request')
                );
        WHEN 'leavers' THEN
            RETURN QUERY
            SELECT
                leavers.leaver_id::text,
                coalesce(leavers.last_working_day, (leavers.declared_at AT TIME ZONE 'UTC')::date)
            FROM compliance.leavers AS leavers
            WHERE
                leavers.workspace = in_workspace
                AND coalesce(leavers.last_working_day, (leavers.declared_at AT TIME ZONE 'UTC')::date)
                BETWEEN first_day AND last_day;
        WHEN 'joiners' THEN
            RETURN QUERY
            SELECT
                joiners.member_id || ' ' || joiners.first_seen_on,
                joiners.first_seen_on
            FROM compliance.joiners AS joiners
            WHERE
                joiners.workspace = in_workspace
                AND NOT joiners.was_there_before
                AND joiners.first_seen_on BETWEEN first_day AND last_day;
        WHEN 'findings' THEN
            RETURN QUERY
            SELECT
                findings.finding_id::text,
                (findings.found_at AT TIME ZONE 'UTC')::date
            FROM compliance.findings AS findings
            WHERE
                findings.workspace = in_workspace
                AND findings.found_at >= starts_at
                AND findings.found_at < ends_at;
        WHEN 'exceptions' THEN
            RETURN QUERY
            SELECT
                exceptions.exception_id::text,
                (exceptions.requested_at AT TIME ZONE 'UTC')::date
            FROM compliance.exceptions AS exceptions
            WHERE
                exceptions.workspace = in_workspace
                AND exceptions.requested_at >= starts_at
                AND exceptions.requested_at < ends_at;
        WHEN 'evidence' THEN
            RETURN QUERY
            SELECT
                evidence.evidence_id::text,
                (evidence.submitted_at AT TIME ZONE 'UTC')::date
            FROM compliance.evidence AS evidence
            WHERE
                (evidence.workspace = in_workspace OR evidence.workspace IS null)
                AND evidence.submitted_at >= starts_at
                AND evidence.submitted_at < ends_at;
        ELSE
            RAISE EXCEPTION 'there is no population %', quote_nullable(in_population)
                USING
                    HINT = 'The populations are changes, pull_requests, direct_pushes, leavers, joiners, findings, exceptions and evidence.',
                    ERRCODE = 'invalid_parameter_value';
    END CASE;
END
$population$;

COMMENT ON FUNCTION compliance.population(text, text, date, date) IS
'The rows of a population (changes, pull_requests, direct_pushes, leavers, joiners, findings, exceptions, evidence) in a period of days (UTC), by key. Of changes those in scope: the key is repository_id, kind and change_key with a blank between; of joiners member_id and first_seen_on; of all others their id.';

GRANT EXECUTE ON FUNCTION compliance.population(text, text, date, date)
TO compliance_pipeline, compliance_console, compliance_reader;
