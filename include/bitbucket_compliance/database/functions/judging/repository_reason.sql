-- Purpose: the sentence of a reason that the tests of repositories share, where they don't apply or a call is missing;
-- null for any other.

CREATE FUNCTION judging.repository_reason(reason_code text, not_read_yet text, failed_call text) RETURNS text
LANGUAGE sql STABLE
AS $repository_reason$
    SELECT CASE reason_code
        WHEN 'non_production' THEN 'Declared non-production.'
        WHEN 'no_main_branch' THEN 'The repository has no main branch: there is nothing to protect.'
        WHEN 'empty_repository' THEN 'Nothing was ever pushed to the repository: there is nothing to protect.'
        WHEN 'not_read_yet' THEN not_read_yet
        WHEN 'extract_failed' THEN format('Could not be read in this run: %s.', failed_call)
    END
$repository_reason$;
