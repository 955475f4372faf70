-- Purpose: tables with data that was read later than now, up to clocks that differ by minutes: it would stay fresh for
-- too long.

CREATE VIEW quality.read_later_than_now AS
WITH newest AS (
    SELECT
        'workspaces' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.workspaces AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'granted_scopes' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.granted_scopes AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'repositories' AS staged_table,
        greatest(max(staged.data_as_of), max(staged.read_at)) AS data_as_of
    FROM staging.repositories AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'members' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.members AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'member_emails' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.member_emails AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'branching_models' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.branching_models AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'branch_restrictions' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.branch_restrictions AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pull_requests' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.pull_requests AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pull_request_builds' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.pull_request_builds AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pipelines_configs' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.pipelines_configs AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'latest_pipelines' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.latest_pipelines AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'coverage' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.coverage AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
)

SELECT
    newest.staged_table,
    newest.data_as_of
FROM newest
WHERE newest.data_as_of > now() + interval '10 minutes';
