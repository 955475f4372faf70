-- Purpose: the access review as somebody in charge of people needs it: each member with role, what the roster says, how
-- it names the member, and what was decided.

CREATE VIEW compliance.access_review AS
SELECT
    members.workspace,
    members.workspace_id,
    members.member_id,
    members.account_id,
    members.display_name,
    members.member_type,
    members.role,
    members.repositories_reachable,
    members.added_on,
    members.last_accessed,
    members.matched_by,
    employment.hr_status,
    employment.hr_end_date,
    members.needs_review,
    left_over.status AS offboarding_status,
    two_step.status AS two_step_verification,
    reviews.decision,
    reviews.reason AS decision_reason,
    reviews.reviewed_by::text AS reviewed_by,
    reviews.reviewed_at,
    reviews.decision = 'revoke' AS is_still_there,
    members.data_as_of
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
LEFT JOIN registry.newest_access_reviews AS reviews
    ON members.workspace = reviews.workspace AND members.member_id = reviews.member_id;

COMMENT ON VIEW compliance.access_review IS
'The access review: each member with role, what the roster says, how it names the member, and what was decided. For compliance_people_reader alone.';
COMMENT ON COLUMN compliance.access_review.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.access_review.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.access_review.member_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.access_review.account_id IS 'Atlassian account id.';
COMMENT ON COLUMN compliance.access_review.display_name IS 'Display name, exactly as Bitbucket gives it.';
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
COMMENT ON COLUMN compliance.access_review.decision IS
'keep or revoke, as last decided in the access review; null: nobody decided yet.';
COMMENT ON COLUMN compliance.access_review.decision_reason IS 'Why; null: nothing was said.';
COMMENT ON COLUMN compliance.access_review.reviewed_by IS 'Who decided, as airflow:login.';
COMMENT ON COLUMN compliance.access_review.reviewed_at IS 'When.';
COMMENT ON COLUMN compliance.access_review.is_still_there IS
'Whether access that was to be revoked is still there; null: nobody decided yet.';
COMMENT ON COLUMN compliance.access_review.data_as_of IS 'When the member was last read.';

GRANT SELECT ON compliance.access_review TO compliance_people_reader;
