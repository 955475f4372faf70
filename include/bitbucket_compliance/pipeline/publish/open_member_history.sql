-- Purpose: the interval to be opened for every member who has none.

WITH known AS (
    SELECT
        (SELECT count(*) FROM registry.rosters_in_force) > 0 AS has_roster,
        coalesce((SELECT lookup.outcome FROM judging.email_lookup(%(workspace)s) AS lookup), 'ok') = 'ok' AS looked_up
)

SELECT
    members.workspace,
    members.member_id,
    members.account_id,
    members.display_name,
    members.member_type,
    -- a role that could not be read now is the one that was read before
    coalesce(
        members.role,
        (
            SELECT history.role
            FROM compliance.member_history AS history
            WHERE
                history.workspace = members.workspace
                AND history.member_id = members.member_id
                AND history.valid_to = %(published_at)s
        )
    ) AS role,
    matches.matched_by,
    CASE
        WHEN members.member_type = 'app_user' THEN null
        WHEN matches.matched_by IN ('account_id', 'email') THEN true
        WHEN known.has_roster AND known.looked_up THEN false
    END AS on_roster,
    members.added_on,
    %(published_at)s AS valid_from,
    %(run_id)s AS first_run_id,
    %(workspace_id)s AS workspace_id
FROM staging.members AS members
CROSS JOIN known
LEFT JOIN unnest(%(matched_members)s::text[], %(matched_by)s::text[]) AS matches (member_id, matched_by)
    ON members.member_id = matches.member_id
WHERE
    members.workspace = %(workspace)s
    AND members.member_id NOT IN (
        SELECT history.member_id
        FROM compliance.member_history AS history
        WHERE history.workspace = %(workspace)s AND history.valid_to IS null
    );
