-- Purpose: end the intervals of members of whom something changed, or whom a complete listing no longer names; staging
-- keeps all others. A role that could not be read is no change.

UPDATE compliance.member_history AS history
SET
    valid_to = %(published_at)s,
    -- the members published before are still those of the listing before
    last_seen_at = greatest(coalesce(published.data_as_of, history.valid_from), history.valid_from),
    recorded_at = clock_timestamp()
FROM compliance.member_history AS itself
LEFT JOIN compliance.members AS published
    ON itself.workspace = published.workspace AND itself.member_id = published.member_id
WHERE
    history.workspace = itself.workspace
    AND history.member_id = itself.member_id
    AND history.valid_from = itself.valid_from
    AND history.workspace = %(workspace)s
    AND history.valid_to IS null
    AND NOT EXISTS (
        SELECT 1
        FROM staging.members AS members
        WHERE
            members.workspace = history.workspace
            AND members.member_id = history.member_id
            AND members.account_id IS NOT DISTINCT FROM history.account_id
            AND members.display_name IS NOT DISTINCT FROM history.display_name
            AND members.member_type IS NOT DISTINCT FROM history.member_type
            AND (members.role IS null OR members.role IS NOT DISTINCT FROM history.role)
    );
