-- Purpose: everybody who became a member: the day on which they were first seen, by which run, in which role, and
-- whether the roster knew them. Whoever comes back has a row for each time.

CREATE VIEW compliance.joiners AS
WITH first_listings AS (
    SELECT
        history.workspace,
        min(history.valid_from) AS first_listed_at
    FROM compliance.member_history AS history
    GROUP BY history.workspace
),

intervals AS (
    SELECT
        history.*,
        lag(history.valid_to) OVER one_member AS previous_to
    FROM compliance.member_history AS history
    WINDOW one_member AS (PARTITION BY history.workspace, history.member_id ORDER BY history.valid_from)
)

SELECT
    intervals.workspace,
    intervals.workspace_id,
    intervals.member_id,
    intervals.account_id,
    intervals.display_name,
    intervals.member_type,
    intervals.role,
    intervals.valid_from AS first_seen_at,
    (intervals.valid_from AT TIME ZONE 'UTC')::date AS first_seen_on,
    intervals.first_run_id,
    intervals.added_on,
    intervals.on_roster,
    intervals.matched_by,
    intervals.previous_to IS NOT null AS rejoined,
    intervals.valid_from = first_listings.first_listed_at AS was_there_before
FROM intervals
INNER JOIN first_listings ON intervals.workspace = first_listings.workspace
WHERE intervals.previous_to IS DISTINCT FROM intervals.valid_from;

COMMENT ON COLUMN compliance.joiners.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.joiners.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.joiners.member_id IS 'Bitbucket''s uuid of the member, with braces.';
COMMENT ON COLUMN compliance.joiners.account_id IS 'Atlassian account id.';
COMMENT ON COLUMN compliance.joiners.display_name IS 'Display name, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.joiners.member_type IS 'user, or app_user for apps.';
COMMENT ON COLUMN compliance.joiners.role IS 'Role in which they were first seen: owner or member; null: it could not be read.';
COMMENT ON COLUMN compliance.joiners.first_seen_at IS 'When a run was published that saw them first.';
COMMENT ON COLUMN compliance.joiners.first_seen_on IS 'Day of it, in UTC.';
COMMENT ON COLUMN compliance.joiners.first_run_id IS 'That run.';
COMMENT ON COLUMN compliance.joiners.added_on IS 'When they joined, as Bitbucket told; null: it did not.';
COMMENT ON COLUMN compliance.joiners.on_roster IS
'Whether the roster named them by account id or address when they were first seen; null: an app, no roster was imported, or not every declared address could be looked up.';
COMMENT ON COLUMN compliance.joiners.matched_by IS
'How the roster named them then: account_id, email or name (a name is never enough); null: it did not.';
COMMENT ON COLUMN compliance.joiners.rejoined IS 'Whether they had been a member before, and were gone in between.';
COMMENT ON COLUMN compliance.joiners.was_there_before IS
'Whether they were a member when the workspace was read first: nobody knows on which day they joined, unless added_on says so.';

GRANT SELECT ON compliance.joiners TO compliance_pipeline, compliance_console, compliance_reader;
