-- Purpose: whatever a test may judge, with its name, and since when what is known of it is known.

CREATE VIEW judging.subjects AS
SELECT
    repositories.workspace,
    'repository' AS subject_type,
    repositories.repository_id AS subject_id,
    repositories.slug AS subject_name,
    repositories.data_as_of AS listed_at,
    coverage.data_as_of
FROM staging.repositories AS repositories
LEFT JOIN staging.repository_coverage AS coverage
    ON repositories.workspace = coverage.workspace AND repositories.repository_id = coverage.repository_id
UNION ALL
SELECT
    members.workspace,
    'member' AS subject_type,
    members.member_id AS subject_id,
    members.display_name AS subject_name,
    members.data_as_of AS listed_at,
    members.data_as_of
FROM staging.members AS members
UNION ALL
SELECT
    workspaces.workspace,
    'workspace' AS subject_type,
    workspaces.workspace_id AS subject_id,
    workspaces.workspace AS subject_name,
    workspaces.data_as_of AS listed_at,
    workspaces.data_as_of
FROM staging.workspaces AS workspaces;

COMMENT ON VIEW judging.subjects IS
'Repositories, members and workspaces. listed_at: when a listing showed it; data_as_of: the oldest answer to what was asked of it.';

GRANT SELECT ON judging.subjects TO compliance_pipeline;
