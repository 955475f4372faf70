-- Purpose: the access review as somebody in charge of people needs it: each member with role, what the roster says, how
-- it names the member, what was decided, and whether that still stands.
-- A decision is due again when role, employment, or how the roster names the member is another one since.

CREATE VIEW compliance.access_review AS
WITH facts AS (
    SELECT
        members.*,
        employment.hr_status,
        employment.hr_end_date,
        left_over.status AS offboarding_status,
        two_step.status AS two_step_verification,
        CASE
            WHEN members.member_type = 'app_user' THEN 'app'
            WHEN
                left_over.status = 'failing'
                OR (
                    left_over.status IS DISTINCT FROM 'passing'
                    AND employment.hr_status = 'terminated'
                    AND coalesce(employment.hr_end_date < (now() AT TIME ZONE 'UTC')::date, true)
                )
                THEN 'left'
            WHEN members.matched_by = 'name' THEN 'name_only'
            WHEN members.needs_review THEN 'not_on_roster'
            ELSE 'fine'
        END AS review_group
    FROM compliance.members AS members
    LEFT JOIN compliance.member_employment AS employment
        ON members.workspace = employment.workspace AND members.member_id = employment.member_id
    LEFT JOIN compliance.current_results AS left_over
        ON
            members.workspace = left_over.workspace
            AND members.member_id = left_over.subject_id
            AND left_over.test_id = 'offboarded_access_removed'
    LEFT JOIN compliance.current_results AS two_step
        ON
            members.workspace = two_step.workspace
            AND members.member_id = two_step.subject_id
            AND two_step.test_id = 'user_mfa_enabled'
),

compared AS (
    SELECT
        facts.*,
        reviews.decision,
        reviews.reason AS decision_reason,
        reviews.reviewed_by::text AS reviewed_by,
        reviews.reviewed_at,
        reviews.role AS role_then,
        reviews.matched_by AS matched_by_then,
        reviews.hr_status AS hr_status_then,
        reviews.review_group AS review_group_then,
        (reviews.role IS DISTINCT FROM facts.role) AS role_changed,
        (reviews.matched_by IS DISTINCT FROM facts.matched_by) AS match_changed,
        (
            reviews.hr_status IS DISTINCT FROM facts.hr_status
            OR reviews.hr_end_date IS DISTINCT FROM facts.hr_end_date
            OR (facts.review_group = 'left') <> (reviews.review_group = 'left')
        ) AS employment_changed
    FROM facts
    LEFT JOIN registry.newest_access_reviews AS reviews
        ON facts.workspace = reviews.workspace AND facts.member_id = reviews.member_id
)

SELECT
    compared.workspace,
    compared.workspace_id,
    compared.member_id,
    compared.account_id,
    compared.display_name,
    compared.nickname,
    compared.member_type,
    compared.role,
    compared.repositories_reachable,
    compared.added_on,
    compared.last_accessed,
    compared.matched_by,
    compared.hr_status,
    compared.hr_end_date,
    compared.needs_review,
    compared.offboarding_status,
    compared.two_step_verification,
    compared.review_group,
    compared.decision,
    compared.decision_reason,
    compared.reviewed_by,
    compared.reviewed_at,
    CASE
        WHEN compared.decision IS null THEN 'open'
        WHEN compared.role_changed OR compared.match_changed OR compared.employment_changed THEN 'changed'
        ELSE compared.decision
    END AS review_state,
    CASE
        WHEN compared.decision IS NOT null
            THEN array_remove(
                ARRAY[
                    CASE WHEN compared.role_changed THEN 'role' END,
                    CASE WHEN compared.match_changed THEN 'match' END,
                    CASE WHEN compared.employment_changed THEN 'employment' END
                ],
                null
            )
    END AS changed_since,
    compared.role_then,
    compared.matched_by_then,
    compared.hr_status_then,
    compared.decision = 'revoke' AS is_still_there,
    compared.data_as_of
FROM compared;

COMMENT ON VIEW compliance.access_review IS
'The access review: each member with role, what the roster says, how it names the member, and what was decided. What the roster says of employment is for compliance_people_reader alone.';
COMMENT ON COLUMN compliance.access_review.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.access_review.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.access_review.member_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.access_review.account_id IS 'Atlassian account id.';
COMMENT ON COLUMN compliance.access_review.display_name IS 'Display name, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.access_review.nickname IS 'Nickname.';
COMMENT ON COLUMN compliance.access_review.member_type IS 'user, or app_user for apps.';
COMMENT ON COLUMN compliance.access_review.role IS 'owner or member; null where it could not be read.';
COMMENT ON COLUMN compliance.access_review.repositories_reachable IS
'Repositories the member can reach; null: not read.';
COMMENT ON COLUMN compliance.access_review.added_on IS 'When the member joined; null where Bitbucket does not tell.';
COMMENT ON COLUMN compliance.access_review.last_accessed IS
'When the member was last seen in the workspace; null where Bitbucket does not tell.';
COMMENT ON COLUMN compliance.access_review.matched_by IS
'How the roster names this member: account_id, email or name (a name is never enough); null: it does not.';
COMMENT ON COLUMN compliance.access_review.hr_status IS
'Status on the roster: active, on_leave or terminated; null: no row is about this member for certain.';
COMMENT ON COLUMN compliance.access_review.hr_end_date IS 'Last working day on the roster.';
COMMENT ON COLUMN compliance.access_review.needs_review IS
'Whether no row of the roster names the account by account id or address. Apps are no people.';
COMMENT ON COLUMN compliance.access_review.offboarding_status IS
'Status of the test offboarded_access_removed; null: it is switched off.';
COMMENT ON COLUMN compliance.access_review.two_step_verification IS
'Status of the test user_mfa_enabled; null: it is switched off.';
COMMENT ON COLUMN compliance.access_review.review_group IS
'left: the roster says that they are gone; not_on_roster; name_only: the roster has the name alone; app: no person; fine.';
COMMENT ON COLUMN compliance.access_review.decision IS
'keep or revoke, as last decided in the access review; null: nobody decided yet.';
COMMENT ON COLUMN compliance.access_review.decision_reason IS 'Why; null: nothing was said.';
COMMENT ON COLUMN compliance.access_review.reviewed_by IS 'Who decided, as airflow:login.';
COMMENT ON COLUMN compliance.access_review.reviewed_at IS 'When.';
COMMENT ON COLUMN compliance.access_review.review_state IS
'open: nobody decided yet; changed: decided, and due again for what changed since; else the decision that stands, keep or revoke.';
COMMENT ON COLUMN compliance.access_review.changed_since IS
'What is another one since the decision: role, match, employment; empty: nothing; null: nobody decided yet.';
COMMENT ON COLUMN compliance.access_review.role_then IS 'Role that the reviewer saw.';
COMMENT ON COLUMN compliance.access_review.matched_by_then IS 'How the roster named the member when it was decided.';
COMMENT ON COLUMN compliance.access_review.hr_status_then IS 'Status on the roster that the reviewer saw.';
COMMENT ON COLUMN compliance.access_review.is_still_there IS
'Whether access that was to be revoked is still there; null: nobody decided yet.';
COMMENT ON COLUMN compliance.access_review.data_as_of IS 'When the member was last read.';

GRANT SELECT ON compliance.access_review TO compliance_people_reader;
-- The console groups by what the roster says, and shows nobody's status or last day.
GRANT
SELECT (
    workspace, workspace_id, member_id, account_id, display_name, nickname, member_type, role, repositories_reachable,
    added_on, last_accessed, matched_by, needs_review, offboarding_status, two_step_verification, review_group,
    decision, decision_reason, reviewed_by, reviewed_at, review_state, changed_since, role_then, matched_by_then,
    is_still_there, data_as_of
)
ON compliance.access_review TO compliance_console;
