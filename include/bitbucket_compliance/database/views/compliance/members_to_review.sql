-- Purpose: members whose access somebody should look at: those the roster does not name for certain, and those it says
-- are gone.

CREATE VIEW compliance.members_to_review AS
SELECT
    members.workspace,
    members.workspace_id,
    members.member_id,
    members.display_name,
    members.nickname,
    members.role,
    CASE
        WHEN left_over.status = 'failing' THEN 'left, and still has access'
        WHEN members.matched_by = 'name' THEN 'only the name is on the roster'
        ELSE 'not on the roster'
    END AS why,
    two_step.status AS two_step_verification,
    members.repositories_reachable,
    members.added_on,
    members.last_accessed
FROM compliance.members AS members
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
WHERE members.needs_review OR left_over.status = 'failing';

COMMENT ON VIEW compliance.members_to_review IS
'Members whose access somebody should look at: those the roster does not name for certain, and those it says are gone.';
COMMENT ON COLUMN compliance.members_to_review.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.members_to_review.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.members_to_review.member_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.members_to_review.display_name IS 'Display name, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.members_to_review.nickname IS 'Nickname.';
COMMENT ON COLUMN compliance.members_to_review.role IS 'owner or member; null where it could not be read.';
COMMENT ON COLUMN compliance.members_to_review.why IS
'left, and still has access; only the name is on the roster; or not on the roster.';
COMMENT ON COLUMN compliance.members_to_review.two_step_verification IS
'Status of the test user_mfa_enabled; null: it is switched off.';
COMMENT ON COLUMN compliance.members_to_review.repositories_reachable IS
'Repositories the member can reach; null: not read.';
COMMENT ON COLUMN compliance.members_to_review.added_on IS 'When the member joined; null where Bitbucket does not tell.';
COMMENT ON COLUMN compliance.members_to_review.last_accessed IS
'When the member was last seen in the workspace; null where Bitbucket does not tell.';

GRANT SELECT ON compliance.members_to_review TO compliance_pipeline, compliance_console, compliance_reader;
