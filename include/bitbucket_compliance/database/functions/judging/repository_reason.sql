-- Purpose: the sentence of a reason that the tests of repositories share; null for any other.

CREATE FUNCTION judging.repository_reason(reason_code text, not_read_yet text, failed_call text) RETURNS text
LANGUAGE sql STABLE
AS $repository_reason$
    SELECT CASE reason_code
        WHEN 'non_production' THEN 'Declared non-production.'
        WHEN 'no_main_branch' THEN 'The repository has no main branch: there is nothing to protect.'
        WHEN 'not_read_yet' THEN not_read_yet
        WHEN 'extract_failed' THEN format('Could not be read in this run: %s.', failed_call)
    END
$repository_reason$;

COMMENT ON FUNCTION judging.repository_reason(text, text, text) IS
'What every test of repositories says where it does not apply or where a call is missing.';

GRANT EXECUTE ON FUNCTION judging.repository_reason(text, text, text) TO compliance_pipeline;
