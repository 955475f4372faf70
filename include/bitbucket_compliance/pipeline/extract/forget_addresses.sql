-- Purpose: forget answers that are too old, and once somebody is listed who was not before, those of addresses that
-- nobody had; a full refresh forgets all that another run asked.

WITH newcomers AS (
    SELECT 1 AS one
    FROM landing.run_objects AS listed
    LEFT JOIN staging.members AS members
        ON listed.workspace = members.workspace AND listed.object_key = members.member_id
    WHERE
        listed.workspace = %(workspace)s
        AND listed.run_id = %(run_id)s
        AND listed.resource = 'members'
        AND listed.body #>> '{user,type}' IS DISTINCT FROM 'app_user'
        AND members.member_id IS null
)

DELETE FROM landing.looked_up_emails AS known
WHERE
    known.workspace = %(workspace)s
    AND known.run_id <> %(run_id)s
    AND (
        %(full_refresh)s
        OR known.asked_at <= %(as_of)s::timestamptz - make_interval(secs => 3600.0 * %(hours)s)
        OR known.email NOT IN (SELECT unnest(%(declared)s::text[]))
        OR (
            EXISTS (SELECT 1 FROM newcomers)
            AND NOT EXISTS (
                SELECT 1
                FROM staging.member_emails AS confirmed
                INNER JOIN landing.run_objects AS listed
                    ON
                        confirmed.workspace = listed.workspace
                        AND confirmed.member_id = listed.object_key
                        AND listed.run_id = %(run_id)s
                        AND listed.resource = 'members'
                WHERE confirmed.workspace = known.workspace AND confirmed.email = known.email
            )
        )
    )
RETURNING known.email;
