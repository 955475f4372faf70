-- Purpose: whether a branch pattern of Bitbucket matches a branch.

CREATE FUNCTION staging.glob_matches(pattern text, branch text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $glob$
    SELECT branch LIKE replace(
        replace(replace(replace(pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'
    )
$glob$;

COMMENT ON FUNCTION staging.glob_matches(text, text) IS
'Bitbucket''s branch pattern: only * is special, and it matches / too.';

GRANT EXECUTE ON FUNCTION staging.glob_matches(text, text) TO compliance_pipeline, compliance_console;
