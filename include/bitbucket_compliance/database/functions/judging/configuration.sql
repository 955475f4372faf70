-- Purpose: whether the repository's own rules could be read well enough to decide: ok, scope_missing,
-- permission_missing or failed. is_certain: rules whose branching model was not read would not change the outcome.

CREATE FUNCTION judging.configuration(branch_restrictions text, branching_model text, is_certain boolean) RETURNS text
LANGUAGE sql IMMUTABLE
AS $configuration$
    SELECT CASE
        WHEN branch_restrictions IN ('scope_missing', 'permission_missing') THEN branch_restrictions
        WHEN coalesce(branch_restrictions, 'failed') <> 'ok' THEN 'failed'
        -- an unread branching model matters only where it may change the outcome
        WHEN is_certain THEN 'ok'
        WHEN branching_model IN ('scope_missing', 'permission_missing') THEN branching_model
        ELSE 'failed'
    END
$configuration$;
