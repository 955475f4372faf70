-- Purpose: whatever a test judges (repositories, members or the workspace itself), with its name, and how old what is
-- known of it is: as old as the listing that showed it where that alone was asked for, else as the oldest answer to
-- what was asked of it.

CREATE FUNCTION judging.subjects(in_workspace text, of_type text, listings_alone boolean)
RETURNS TABLE (subject_id text, subject_name text, data_as_of timestamptz)
LANGUAGE sql STABLE
AS $subjects$
    SELECT
        repositories.repository_id,
        repositories.slug,
        coalesce(coverage.data_as_of, repositories.data_as_of)
    FROM staging.repositories AS repositories
    LEFT JOIN staging.repository_coverage AS coverage
        ON
            NOT listings_alone
            AND repositories.workspace = coverage.workspace
            AND repositories.repository_id = coverage.repository_id
    WHERE of_type = 'repository' AND repositories.workspace = in_workspace
    UNION ALL
    SELECT
        members.member_id,
        members.display_name,
        members.data_as_of
    FROM staging.members AS members
    WHERE of_type = 'member' AND members.workspace = in_workspace
    UNION ALL
    SELECT
        workspaces.workspace_id,
        workspaces.workspace,
        workspaces.data_as_of
    FROM staging.workspaces AS workspaces
    WHERE of_type = 'workspace' AND workspaces.workspace = in_workspace
$subjects$;
