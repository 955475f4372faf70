-- Purpose: what was changed in main branches: the population that an auditor draws samples from.

CREATE TABLE compliance.changes (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('pull_request', 'direct_push')),
    change_key text NOT NULL,
    repository text,
    project_key text,
    classification text,
    in_scope boolean NOT NULL GENERATED ALWAYS AS (classification IS DISTINCT FROM 'non_production') STORED,
    pull_request_id bigint,
    link text,
    commit_hash text,
    author_id text,
    merged_by text,
    created_on timestamptz,
    merged_after timestamptz,
    merged_on timestamptz NOT NULL,
    approved_by text[],
    peer_approvals integer,
    peer_reviewed boolean,
    builds integer,
    builds_failed integer,
    builds_in_progress integer,
    status_checks_passed boolean,
    forced boolean NOT NULL,
    removed boolean NOT NULL,
    policy_version text NOT NULL,
    first_run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    workspace_id text,
    PRIMARY KEY (workspace, repository_id, kind, change_key)
);
-- Those of a period are counted without a look at the rows themselves.
CREATE INDEX changes_by_time ON compliance.changes (workspace, merged_on)
INCLUDE (in_scope, peer_reviewed, status_checks_passed);
COMMENT ON TABLE compliance.changes IS
'Every change of a main branch that was seen: pull requests that were merged, and pushes past them that webhooks told of. A change stays when its pull request leaves the window, its repository is deleted or classified otherwise, and goes when the policy''s history_kept_days are over. Never a title, a description, a comment or a diff.';
COMMENT ON COLUMN compliance.changes.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.changes.repository_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.changes.kind IS
'pull_request: one that was merged; direct_push: commits that came by no pull request, a forced push or the removal of the branch.';
COMMENT ON COLUMN compliance.changes.change_key IS 'Number of the pull request, or of the push as it was taken in.';
COMMENT ON COLUMN compliance.changes.repository IS 'Slug of the repository when the change was recorded.';
COMMENT ON COLUMN compliance.changes.project_key IS 'Key of its project, likewise.';
COMMENT ON COLUMN compliance.changes.classification IS
'How the repository was classified when the change was recorded; null: not at all. A later declaration changes nothing here.';
COMMENT ON COLUMN compliance.changes.in_scope IS 'Whether the tests of changes applied to the repository then: it was not classified non_production.';
COMMENT ON COLUMN compliance.changes.pull_request_id IS 'Number of the pull request; null: a push.';
COMMENT ON COLUMN compliance.changes.link IS 'Its page in Bitbucket; null: the push removed the branch.';
COMMENT ON COLUMN compliance.changes.commit_hash IS
'Hash of the commit that merged it, of which lists give the first digits, or of the newest commit that was pushed; null: not told, or the push removed the branch.';
COMMENT ON COLUMN compliance.changes.author_id IS
'Who opened the pull request, or pushed: uuid with braces; null: an account that is no more, or not told.';
COMMENT ON COLUMN compliance.changes.merged_by IS 'Who merged it: uuid with braces; null: a push, or not told.';
COMMENT ON COLUMN compliance.changes.created_on IS 'When the pull request was opened; null: a push.';
COMMENT ON COLUMN compliance.changes.merged_after IS
'It was not merged before this, as far as readings tell; null: not known. For a push: as merged_on.';
COMMENT ON COLUMN compliance.changes.merged_on IS
'When it counts as merged: its last update when it was first read as merged, or the merge itself where it was looked up. For a push: when the webhook told of it.';
COMMENT ON COLUMN compliance.changes.approved_by IS
'Persons who had approved when it was first read as merged with those who took part, uuids with braces, the author included; null: they were not sent yet. An approval that is given later adds nothing.';
COMMENT ON COLUMN compliance.changes.peer_approvals IS
'Of these, how many are neither the author nor an account of the policy''s not_peers; null: not known.';
COMMENT ON COLUMN compliance.changes.peer_reviewed IS
'Whether peer_review_required holds for this change by the policy of policy_version; false for a push; null: it can''t be told, since participants were not sent or an account that approved was deleted.';
COMMENT ON COLUMN compliance.changes.builds IS
'Build statuses that were reported before the merge, the newest of each key; null: not asked for, since settings decided.';
COMMENT ON COLUMN compliance.changes.builds_failed IS 'Of these, neither SUCCESSFUL nor INPROGRESS; null: as builds.';
COMMENT ON COLUMN compliance.changes.builds_in_progress IS 'Of these, INPROGRESS when they were last asked for; null: as builds.';
COMMENT ON COLUMN compliance.changes.status_checks_passed IS
'Whether status_checks_required holds for this change by the policy of policy_version; null: builds are not known, or one is under way for less than two days.';
COMMENT ON COLUMN compliance.changes.forced IS 'Whether a push rewrote history.';
COMMENT ON COLUMN compliance.changes.removed IS 'Whether a push removed the branch.';
COMMENT ON COLUMN compliance.changes.policy_version IS 'Policy by which it was looked at; see policies.';
COMMENT ON COLUMN compliance.changes.first_run_id IS 'The run that read it first; see runs.';
COMMENT ON COLUMN compliance.changes.recorded_at IS
'When the row was written, or more became known of the change, by the server''s clock.';
COMMENT ON COLUMN compliance.changes.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

-- What is not known yet may become known; nothing that is known is taken back.
GRANT SELECT, INSERT, UPDATE (
    merged_by, commit_hash, merged_after, merged_on, approved_by, peer_approvals, peer_reviewed, builds, builds_failed,
    builds_in_progress, status_checks_passed, policy_version, recorded_at
) ON compliance.changes TO compliance_pipeline;
GRANT SELECT ON compliance.changes TO compliance_console, compliance_reader;
