-- Purpose: whether a branch pattern of Bitbucket matches a branch: only * is special, and it matches / too.

CREATE FUNCTION staging.glob_matches(pattern text, branch text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $glob$
    SELECT branch LIKE replace(
        replace(replace(replace(pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'
    )
$glob$;

GRANT EXECUTE ON FUNCTION staging.glob_matches(text, text) TO compliance_pipeline, compliance_console;
