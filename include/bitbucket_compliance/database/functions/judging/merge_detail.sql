-- Purpose: the detail of a verdict on merging: the rules that match, and the merges that were looked at; null where
-- they could not be read.

CREATE FUNCTION judging.merge_detail(
    main_branch text, direct_push text, configuration text, rules jsonb,
    merges_read text, merged bigint, numbers bigint[], broken bigint[]
) RETURNS jsonb
LANGUAGE sql STABLE
AS $merge_detail$
    SELECT jsonb_build_object(
        'main_branch', main_branch,
        'direct_push', direct_push,
        'configuration', configuration,
        'rules', CASE WHEN configuration = 'ok' THEN rules END,
        'merges_looked_at', CASE WHEN merges_read = 'ok' THEN coalesce(merged, 0) END,
        'merges', CASE WHEN merges_read = 'ok' THEN to_jsonb(coalesce(numbers, '{}')) END,
        'merges_that_broke_the_rule', CASE WHEN merges_read = 'ok' THEN to_jsonb(coalesce(broken, '{}')) END
    )
$merge_detail$;
