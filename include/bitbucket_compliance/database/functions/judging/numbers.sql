-- Purpose: pull requests as a sentence names them: the first five, and how many more there are.

CREATE FUNCTION judging.numbers(pull_requests bigint[]) RETURNS text
LANGUAGE sql IMMUTABLE
AS $numbers$
    SELECT
        '#' || array_to_string(pull_requests[1:5], ', #')
        || CASE
            WHEN cardinality(pull_requests) > 5 THEN format(' and %s more', cardinality(pull_requests) - 5) ELSE ''
        END
$numbers$;
