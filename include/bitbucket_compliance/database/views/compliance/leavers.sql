-- Purpose: each person of whom a roster said that they left, and what became of their access to the workspace.
-- Access counts as removed by the first complete listing without the member, and by nothing else.

CREATE VIEW compliance.leavers AS
WITH newest_runs AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.started_at
    FROM integration.runs AS runs
    WHERE runs.status = 'published' AND runs.kind = 'polling'
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

-- the newest interval of a member: the one in which they stand, or after which they were gone
memberships AS (
    SELECT DISTINCT ON (history.workspace, history.member_id)
        history.workspace,
        history.member_id,
        history.display_name,
        history.role,
        history.valid_to AS found_removed_at,
        coalesce(history.last_seen_at, members.data_as_of) AS last_seen_at,
        members.data_as_of >= newest_runs.started_at AS is_listed_now
    FROM compliance.member_history AS history
    LEFT JOIN compliance.members AS members
        ON history.workspace = members.workspace AND history.member_id = members.member_id
    LEFT JOIN newest_runs ON history.workspace = newest_runs.workspace
    ORDER BY history.workspace ASC, history.member_id ASC, history.valid_from DESC
),

dated AS (
    SELECT
        records.*,
        memberships.display_name,
        memberships.role,
        memberships.member_id IS NOT null AS was_member,
        coalesce(memberships.is_listed_now, false) AS is_listed_now,
        records.last_working_day + records.grace_days AS due_on,
        (memberships.last_seen_at AT TIME ZONE records.time_zone)::date AS last_seen_on,
        (memberships.found_removed_at AT TIME ZONE records.time_zone)::date AS found_removed_on,
        (records.watched_since AT TIME ZONE records.time_zone)::date AS watched_since_day,
        (now() AT TIME ZONE records.time_zone)::date AS today
    FROM compliance.leaver_records AS records
    LEFT JOIN memberships
        ON records.workspace = memberships.workspace AND records.member_id = memberships.member_id
),

told AS (
    SELECT
        dated.*,
        CASE
            WHEN dated.problem = 'several_members' THEN 'The row on the roster points at more than one member.'
            WHEN dated.problem = 'rosters_contradict'
                THEN 'Two rosters contradict each other on whether the person left.'
            WHEN dated.problem = 'name_alone' THEN 'The row on the roster has a name alone, which proves nothing.'
            WHEN dated.problem = 'addresses_not_answered'
                THEN 'Bitbucket did not tell whose the addresses on the roster are.'
            WHEN dated.was_member AND dated.found_removed_on IS null AND NOT dated.is_listed_now
                THEN 'The newest listing of members was not complete, and does not name the member.'
            WHEN dated.was_member AND dated.found_removed_on IS NOT null AND dated.due_on IS null
                THEN 'The access was removed, and the roster names no last working day.'
            WHEN
                dated.was_member
                AND dated.found_removed_on > dated.due_on + 1
                AND dated.last_seen_on <= dated.due_on
                THEN
                    'The access was there on ' || dated.last_seen_on || ' and gone on ' || dated.found_removed_on
                    || '; no complete listing in between tells when it was removed.'
            WHEN NOT dated.was_member AND dated.watched_since IS null
                THEN 'No complete listing of members was read that would have shown the access.'
            WHEN NOT dated.was_member AND dated.due_on IS null
                THEN 'The roster names no last working day, and no member was ever this person.'
            WHEN NOT dated.was_member AND dated.watched_since_day > dated.due_on
                THEN
                    'Whether the person had access would have been seen from ' || dated.watched_since_day
                    || ' on, after they left.'
        END AS not_known_because
    FROM dated
)

SELECT
    told.workspace,
    told.workspace_id,
    told.leaver_id,
    told.name,
    told.email,
    told.roster_name,
    told.last_working_day,
    told.due_on,
    told.member_id,
    told.display_name,
    told.role,
    told.matched_by,
    told.last_seen_on,
    told.found_removed_on,
    CASE
        WHEN told.not_known_because IS NOT null OR NOT told.was_member THEN null
        WHEN told.found_removed_on IS NOT null AND told.last_seen_on <= told.due_on THEN 0
        ELSE greatest(coalesce(told.found_removed_on, told.today) - told.due_on, 0)
    END AS days_late,
    CASE
        WHEN told.not_known_because IS NOT null THEN 'not known'
        WHEN NOT told.was_member THEN 'never had access'
        WHEN told.found_removed_on IS null THEN 'still has access'
        WHEN told.found_removed_on <= told.due_on OR told.last_seen_on <= told.due_on THEN 'removed in time'
        ELSE 'removed late'
    END AS state,
    told.not_known_because,
    told.is_declared,
    told.declared_at,
    told.watched_since,
    told.grace_days,
    told.policy_version,
    told.first_run_id,
    told.recorded_at
FROM told;

COMMENT ON VIEW compliance.leavers IS
'Each person of whom a roster said that they left, and what became of their access to the workspace. For compliance_people_reader and compliance_auditor.';
COMMENT ON COLUMN compliance.leavers.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.leavers.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.leavers.leaver_id IS 'Id of the person and last working day.';
COMMENT ON COLUMN compliance.leavers.name IS 'Name on the roster.';
COMMENT ON COLUMN compliance.leavers.email IS 'Address on the roster.';
COMMENT ON COLUMN compliance.leavers.roster_name IS 'Which roster says so.';
COMMENT ON COLUMN compliance.leavers.last_working_day IS 'Last working day on the roster; null: it names none.';
COMMENT ON COLUMN compliance.leavers.due_on IS
'The last day on which access may be there: the last working day and grace_days; null: no last day is named.';
COMMENT ON COLUMN compliance.leavers.member_id IS
'The member whom the roster names by account id or confirmed address, uuid with braces; null: nobody, or it is not known.';
COMMENT ON COLUMN compliance.leavers.display_name IS 'Display name of the member.';
COMMENT ON COLUMN compliance.leavers.role IS 'Role in the workspace, as it was last.';
COMMENT ON COLUMN compliance.leavers.matched_by IS 'How the roster names the member: account_id or email.';
COMMENT ON COLUMN compliance.leavers.last_seen_on IS
'Day on which a listing named the member last, in the policy''s time zone; null: never.';
COMMENT ON COLUMN compliance.leavers.found_removed_on IS
'Day of the first complete listing without the member, in the policy''s time zone; null: there was none.';
COMMENT ON COLUMN compliance.leavers.days_late IS
'Days from due_on to found_removed_on, or to today where the access is still there. 0: it was in time, or is not due yet. Null: there was no access, no last day is named, or it is not known.';
COMMENT ON COLUMN compliance.leavers.state IS
'removed in time (gone by due_on, or on the first look on the day after), removed late (a listing after due_on still named the member), still has access, never had access, not known.';
COMMENT ON COLUMN compliance.leavers.not_known_because IS 'Why it is not known, in a sentence; null: it is.';
COMMENT ON COLUMN compliance.leavers.is_declared IS
'Whether a roster in force says so still; false: the person is not on it any more, came back, or has another last day.';
COMMENT ON COLUMN compliance.leavers.declared_at IS 'When the roster was imported that said so first.';
COMMENT ON COLUMN compliance.leavers.watched_since IS
'Since when access of this person would have been seen, where they were never a member; null: it would not, or they were.';
COMMENT ON COLUMN compliance.leavers.grace_days IS 'offboarding_grace_days of the policy when it was recorded.';
COMMENT ON COLUMN compliance.leavers.policy_version IS 'That policy; see policies.';
COMMENT ON COLUMN compliance.leavers.first_run_id IS 'The run that recorded it first.';
COMMENT ON COLUMN compliance.leavers.recorded_at IS 'When it was recorded or changed last.';

GRANT SELECT ON compliance.leavers TO compliance_pipeline, compliance_people_reader;
