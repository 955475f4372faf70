-- Purpose: the sentence of a reason that the tests of merging share, where neither rules nor merges decide; null for
-- any other.

CREATE FUNCTION judging.merge_reason(
    reason_code text, not_read_yet text, failed_call text, configuration text,
    main_branch text, merged bigint, window_days integer, min_sample integer
) RETURNS text
LANGUAGE sql STABLE
AS $merge_reason$
    SELECT CASE reason_code
        WHEN 'scope_missing'
            THEN
                CASE configuration
                    WHEN 'scope_missing' THEN 'The rules can''t be read without the scope repository:admin, '
                    ELSE 'The rules can''t be read without admin rights, '
                END || 'and merges can''t be read without the scope pullrequest.'
        WHEN 'permission_missing'
            THEN 'Neither rules nor merges can be read: the connection''s identity lacks rights on the repository.'
        WHEN 'too_few_merges'
            THEN
                format(
                    'The rules can''t be read, and only %s pull requests were merged into %s in %s days: %s are needed.',
                    coalesce(merged, 0), main_branch, window_days, min_sample
                )
        ELSE judging.repository_reason(reason_code, not_read_yet, failed_call)
    END
$merge_reason$;
