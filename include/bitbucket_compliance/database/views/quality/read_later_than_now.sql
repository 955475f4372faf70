-- Purpose: tables with data that was read later than now, up to clocks that differ by minutes: it would stay fresh for
-- too long.

CREATE VIEW quality.read_later_than_now AS
SELECT
    newest.staged_table,
    newest.data_as_of
FROM (
    VALUES
    ('workspaces', (SELECT max(data_as_of) FROM quality.workspaces)),
    ('granted_scopes', (SELECT max(data_as_of) FROM quality.granted_scopes)),
    ('repositories', (SELECT greatest(max(data_as_of), max(read_at)) FROM quality.repositories)),
    ('members', (SELECT max(data_as_of) FROM quality.members)),
    ('member_emails', (SELECT max(data_as_of) FROM quality.member_emails)),
    ('branching_models', (SELECT max(data_as_of) FROM quality.branching_models)),
    ('branch_restrictions', (SELECT max(data_as_of) FROM quality.branch_restrictions)),
    ('pull_requests', (SELECT max(data_as_of) FROM quality.pull_requests)),
    ('merge_checks', (SELECT max(data_as_of) FROM quality.merge_checks)),
    ('default_reviewers', (SELECT max(data_as_of) FROM quality.default_reviewers)),
    ('pull_request_builds', (SELECT max(data_as_of) FROM quality.pull_request_builds)),
    ('pipelines_configs', (SELECT max(data_as_of) FROM quality.pipelines_configs)),
    ('latest_pipelines', (SELECT max(data_as_of) FROM quality.latest_pipelines)),
    ('coverage', (SELECT max(data_as_of) FROM quality.coverage))
) AS newest (staged_table, data_as_of)
WHERE newest.data_as_of > now() + interval '10 minutes';
