-- Purpose: what people declare: roster, classification, evidence, exceptions, policy, access reviews. Rows are added,
-- never changed. Their times are those of the statement: a transaction may be older than the lock that it waited for,
-- and what is declared later must not seem to be older.

CREATE DOMAIN registry.person AS text CONSTRAINT is_a_person CHECK (
    value ~ '^(airflow|os):[^[:space:][:cntrl:]]([^[:cntrl:]]{0,198}[^[:space:][:cntrl:]])?$'
    AND value = lower(normalize(value, nfkc))
    -- characters that show nothing
    AND value !~ '[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f]'
    AND value !~ '[\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]'
);
COMMENT ON DOMAIN registry.person IS
'Who did something: airflow:login or os:login, in the form that is compared: two persons are the same where these texts are.';

CREATE TABLE registry.persons (
    person registry.person PRIMARY KEY,
    first_seen_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE registry.persons IS
'Everybody who signed in to the console or acted by a command: from these the owners of exceptions are chosen.';

CREATE TABLE registry.policy_versions (
    policy_version text PRIMARY KEY,
    body jsonb NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE registry.policy_versions IS
'Every policy that a run was ever judged by, or a decision made under, under the hash of its content.';

CREATE TABLE registry.roster_mappings (
    mapping_version text PRIMARY KEY,
    body jsonb NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE registry.roster_mappings IS
'Every mapping that a roster was ever read by, under the hash of its content.';

CREATE TABLE registry.imports (
    import_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('roster', 'classification', 'mfa')),
    file_name text NOT NULL,
    file_sha256 text NOT NULL,
    row_count integer NOT NULL,
    imported_by text NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    source text NOT NULL DEFAULT 'file' CHECK (source IN ('file', 'sql', 'scim')),
    roster_name text NOT NULL DEFAULT 'main',
    mapping text,
    mapping_version text REFERENCES registry.roster_mappings,
    refused_rows integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE registry.imports IS 'Who imported which file when.';
COMMENT ON COLUMN registry.imports.file_name IS 'Name of the file; sql:<connection> or scim:<connection> otherwise.';
COMMENT ON COLUMN registry.imports.file_sha256 IS 'Of the file; of the rows in canonical JSON where there was none.';
COMMENT ON COLUMN registry.imports.row_count IS 'How many rows were taken.';
COMMENT ON COLUMN registry.imports.source IS 'file, sql (a query over an Airflow connection) or scim (a directory).';
COMMENT ON COLUMN registry.imports.roster_name IS
'Which roster it is, where there are several: a newer import takes the place of the one of the same name. Other kinds have one name.';
COMMENT ON COLUMN registry.imports.mapping IS 'Of a roster: the name of the mapping that it was read by.';
COMMENT ON COLUMN registry.imports.mapping_version IS 'Of a roster: the content of that mapping; see roster_mappings.';
COMMENT ON COLUMN registry.imports.refused_rows IS 'How many rows could not be used; see refused_rows.';

CREATE TABLE registry.import_withdrawals (
    import_id bigint PRIMARY KEY REFERENCES registry.imports,
    taken_back_by registry.person NOT NULL,
    taken_back_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    reason text NOT NULL CHECK (btrim(reason) <> '')
);
COMMENT ON TABLE registry.import_withdrawals IS
'Imports that were taken back: what was in force before them is in force again.';

CREATE TABLE registry.refused_rows (
    import_id bigint NOT NULL REFERENCES registry.imports,
    line integer NOT NULL,
    problems text[] NOT NULL,
    email text,
    name text,
    account_id text,
    other_emails text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (import_id, line)
);
COMMENT ON TABLE registry.refused_rows IS
'Rows of rosters that could not be used: nobody is judged from them, and nobody passes by other rows of the same person.';
COMMENT ON COLUMN registry.refused_rows.problems IS 'What is wrong with which column, without what stood there.';
COMMENT ON COLUMN registry.refused_rows.email IS 'An address that could be read, to know whose row it is; so name and account_id.';
COMMENT ON COLUMN registry.refused_rows.other_emails IS 'Further addresses that could be read.';

CREATE TABLE registry.people (
    import_id bigint NOT NULL REFERENCES registry.imports,
    line integer NOT NULL,
    email text,
    name text,
    status text NOT NULL CHECK (status IN ('active', 'on_leave', 'terminated')),
    end_date date,
    account_id text,
    other_emails text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (import_id, line)
);
COMMENT ON TABLE registry.people IS 'The HR rosters as declared; of each name the newest import counts.';
COMMENT ON COLUMN registry.people.other_emails IS 'Further addresses of the same person.';

CREATE TABLE registry.classification (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text,
    target_type text NOT NULL CHECK (target_type IN ('repository', 'project', 'pattern')),
    target text NOT NULL,
    classification text CHECK (classification IN ('production', 'non_production')),
    sensitivity text CHECK (sensitivity IN ('public', 'internal', 'confidential', 'restricted')),
    owner text,
    import_id bigint REFERENCES registry.imports,
    declared_by text NOT NULL,
    declared_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    CONSTRAINT withdrawal_declares_nothing CHECK (
        classification IS NOT null OR (sensitivity IS null AND owner IS null)
    )
);
COMMENT ON TABLE registry.classification IS
'Declared classification with its history; the newest entry of a (workspace, target_type, target) is in force.';
COMMENT ON COLUMN registry.classification.classification IS
'production or non_production; null takes the entry back, and what else matches decides.';

CREATE TABLE registry.classification_bindings (
    entry_id bigint NOT NULL REFERENCES registry.classification,
    workspace text NOT NULL,
    repository_id text NOT NULL,
    bound_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (entry_id, workspace)
);
COMMENT ON TABLE registry.classification_bindings IS
'Which repository an entry by slug met first in a workspace: it means this one, also when the slug is another''s later.';

CREATE TABLE registry.evidence (
    evidence_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    test_id text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('workspace', 'project', 'repository', 'members')),
    workspace text,
    kind text NOT NULL CHECK (kind IN ('mfa_export', 'screenshot')),
    captured_on date NOT NULL,
    submitted_by registry.person NOT NULL,
    submitted_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    file_name text NOT NULL,
    file_sha256 text NOT NULL,
    import_id bigint REFERENCES registry.imports,
    targets text[] NOT NULL DEFAULT '{}',
    note text,
    media_type text,
    size_bytes bigint,
    submitted_sha256 text,
    storage_url text
);
COMMENT ON TABLE registry.evidence IS 'Evidence as it was submitted; evidence_states says what became of it.';
COMMENT ON COLUMN registry.evidence.file_sha256 IS 'Of the stored file, under which it is found.';
COMMENT ON COLUMN registry.evidence.targets IS
'What the scope names, in lower case: project keys, repository slugs or uuids, addresses or account ids; empty for a workspace and for an export, whose rows name its members.';
COMMENT ON COLUMN registry.evidence.submitted_sha256 IS 'Of the file as submitted, before metadata was stripped.';
COMMENT ON COLUMN registry.evidence.storage_url IS 'Where the file is kept; null: only its rows were taken.';

CREATE TABLE registry.evidence_members (
    evidence_id uuid NOT NULL REFERENCES registry.evidence,
    line integer NOT NULL,
    email text,
    account_id text,
    two_step text NOT NULL CHECK (two_step IN ('on', 'off', 'single_sign_on', 'deactivated', 'unclear')),
    other_emails text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (evidence_id, line)
);
COMMENT ON TABLE registry.evidence_members IS 'Members that an accepted two-step verification export covers, by line.';
COMMENT ON COLUMN registry.evidence_members.two_step IS
'What the row says of two-step verification: on, off, single_sign_on (not on, signs in through an identity provider), deactivated (the account), unclear.';
COMMENT ON COLUMN registry.evidence_members.other_emails IS 'Further addresses of the same person.';

CREATE TABLE registry.evidence_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    evidence_id uuid NOT NULL REFERENCES registry.evidence,
    decision text NOT NULL CHECK (decision IN ('accepted', 'rejected', 'withdrawn')),
    decided_by registry.person NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    reason text,
    policy_version text NOT NULL REFERENCES registry.policy_versions,
    self_review boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX evidence_decided_once ON registry.evidence_decisions (evidence_id)
WHERE decision IN ('accepted', 'rejected');
CREATE UNIQUE INDEX evidence_withdrawn_once ON registry.evidence_decisions (evidence_id)
WHERE decision = 'withdrawn';
COMMENT ON TABLE registry.evidence_decisions IS
'What became of evidence: accepted or rejected once, withdrawn once. Rows are only ever added.';
COMMENT ON COLUMN registry.evidence_decisions.policy_version IS 'Policy in force when it was decided; see policy_versions.';
COMMENT ON COLUMN registry.evidence_decisions.self_review IS
'Whether no other person decided, because the policy of that moment allowed it or its operator imported it in one act.';

CREATE TABLE registry.evidence_subjects (
    evidence_id uuid NOT NULL REFERENCES registry.evidence,
    workspace text NOT NULL,
    subject_type text NOT NULL CHECK (subject_type IN ('repository', 'member', 'workspace')),
    subject_id text NOT NULL,
    subject_name text,
    PRIMARY KEY (evidence_id, workspace, subject_id)
);
CREATE INDEX evidence_subjects_by_subject ON registry.evidence_subjects (workspace, subject_id);
COMMENT ON TABLE registry.evidence_subjects IS
'The subjects that evidence covers, frozen when it was accepted: those in its scope that existed on the day of capture. An export covers its rows instead (evidence_members).';

CREATE TABLE registry.exceptions (
    exception_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace text NOT NULL,
    test_id text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('subject', 'project', 'pattern')),
    target text NOT NULL,
    owner registry.person NOT NULL,
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    expires_at timestamptz NOT NULL,
    requested_by registry.person NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE registry.exceptions IS
'Risks that somebody asks to accept until a date. target: a subject''s uuid, a project key or a slug glob.';

CREATE TABLE registry.exception_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exception_id uuid NOT NULL REFERENCES registry.exceptions,
    decision text NOT NULL CHECK (decision IN ('accepted', 'rejected', 'withdrawn')),
    decided_by registry.person NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    reason text,
    policy_version text NOT NULL REFERENCES registry.policy_versions,
    self_review boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX exception_decided_once ON registry.exception_decisions (exception_id)
WHERE decision IN ('accepted', 'rejected');
CREATE UNIQUE INDEX exception_withdrawn_once ON registry.exception_decisions (exception_id)
WHERE decision = 'withdrawn';
COMMENT ON TABLE registry.exception_decisions IS
'What became of an exception: accepted or rejected once by somebody who neither owns nor asked for it, withdrawn once.';
COMMENT ON COLUMN registry.exception_decisions.policy_version IS 'Policy in force when it was decided; see policy_versions.';
COMMENT ON COLUMN registry.exception_decisions.self_review IS
'Whether no other person decided, because the policy of that moment allowed it.';

CREATE TABLE registry.exception_subjects (
    exception_id uuid NOT NULL REFERENCES registry.exceptions,
    workspace text NOT NULL,
    test_id text NOT NULL,
    subject_id text NOT NULL,
    facts_hash text NOT NULL,
    PRIMARY KEY (exception_id, subject_id)
);
CREATE INDEX exception_subjects_by_subject ON registry.exception_subjects (workspace, test_id, subject_id);
COMMENT ON TABLE registry.exception_subjects IS
'The failing subjects that an exception covers, with the hash of the facts that were accepted.';

CREATE TABLE registry.policy_overrides (
    override_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text NOT NULL,
    body jsonb NOT NULL,
    set_by registry.person NOT NULL,
    set_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    reason text,
    lowers text[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE registry.policy_overrides IS
'What a workspace''s policy changes in the defaults, with its history; of those that hold the newest is in force, {} takes it back.';
COMMENT ON COLUMN registry.policy_overrides.lowers IS
'Keys by which it asks for less than the policy before it; where there are any it holds once somebody else has accepted it.';

CREATE TABLE registry.policy_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    override_id bigint NOT NULL UNIQUE REFERENCES registry.policy_overrides,
    decision text NOT NULL CHECK (decision IN ('accepted', 'rejected', 'withdrawn')),
    decided_by registry.person NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    reason text,
    policy_version text NOT NULL REFERENCES registry.policy_versions,
    self_review boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE registry.policy_decisions IS
'What became of a policy that asks for less: decided once, accepted or rejected by somebody other than who proposed it.';
COMMENT ON COLUMN registry.policy_decisions.policy_version IS 'Policy in force when it was decided; see policy_versions.';
COMMENT ON COLUMN registry.policy_decisions.self_review IS
'Whether no other person decided, because the policy of that moment allowed it.';

CREATE TABLE registry.purges (
    purge_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace text NOT NULL,
    requested_by registry.person NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    manifest text NOT NULL,
    manifest_sha256 text NOT NULL CHECK (manifest_sha256 ~ '^[0-9a-f]{64}$'),
    newest_run_at timestamptz
);
COMMENT ON TABLE registry.purges IS
'Who asked to delete what was read of a workspace and judged by it, and where its history was exported to before.';
COMMENT ON COLUMN registry.purges.manifest IS 'Where the list of the exported files stands, each with its SHA-256.';
COMMENT ON COLUMN registry.purges.manifest_sha256 IS 'SHA-256 of that list.';
COMMENT ON COLUMN registry.purges.newest_run_at IS 'When the newest run that the export knows of began; null: there was none.';

CREATE TABLE registry.purge_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    purge_id uuid NOT NULL UNIQUE REFERENCES registry.purges,
    decision text NOT NULL CHECK (decision IN ('accepted', 'rejected', 'withdrawn')),
    decided_by registry.person NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    reason text,
    policy_version text NOT NULL REFERENCES registry.policy_versions,
    self_review boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE registry.purge_decisions IS
'What became of a purge that was asked for: decided once, accepted or rejected by somebody other than who asked.';
COMMENT ON COLUMN registry.purge_decisions.policy_version IS 'Policy in force when it was decided; see policy_versions.';
COMMENT ON COLUMN registry.purge_decisions.self_review IS
'Whether no other person decided, because the policy of that moment allowed it.';

CREATE TABLE registry.purged (
    purge_id uuid PRIMARY KEY REFERENCES registry.purges,
    purged_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    deleted bigint NOT NULL
);
COMMENT ON TABLE registry.purged IS 'The purges that were carried out, each once; written by registry.purge_workspace alone.';

CREATE TABLE registry.access_reviews (
    review_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text NOT NULL,
    member_id text NOT NULL,
    account_id text,
    display_name text,
    role text,
    matched_by text,
    hr_status text,
    hr_end_date date,
    review_group text,
    needs_review boolean NOT NULL,
    last_accessed timestamptz,
    data_as_of timestamptz,
    decision text NOT NULL CHECK (decision IN ('keep', 'revoke')),
    reason text CHECK (btrim(reason) <> ''),
    reviewed_by registry.person NOT NULL,
    reviewed_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
CREATE INDEX access_reviews_by_member ON registry.access_reviews (workspace, member_id, review_id DESC);
COMMENT ON TABLE registry.access_reviews IS
'Decisions of the access review, each with what its reviewer saw of the member. Rows are added, never changed; the newest of a member stands.';
COMMENT ON COLUMN registry.access_reviews.review_id IS 'Order of the decisions.';
COMMENT ON COLUMN registry.access_reviews.workspace IS 'Workspace slug.';
COMMENT ON COLUMN registry.access_reviews.member_id IS 'Bitbucket''s uuid of the member, with braces.';
COMMENT ON COLUMN registry.access_reviews.account_id IS 'Atlassian account id, as it was.';
COMMENT ON COLUMN registry.access_reviews.display_name IS 'Name, as it was.';
COMMENT ON COLUMN registry.access_reviews.role IS 'Role in the workspace, as it was.';
COMMENT ON COLUMN registry.access_reviews.matched_by IS 'How the roster named the member: account_id, email, name; null: not at all.';
COMMENT ON COLUMN registry.access_reviews.hr_status IS 'Status on the roster, as it was; null: no row was about the member for certain.';
COMMENT ON COLUMN registry.access_reviews.hr_end_date IS 'Last working day on the roster, as it was.';
COMMENT ON COLUMN registry.access_reviews.review_group IS 'Group of the review in which the member stood: left, not_on_roster, name_only, app or fine.';
COMMENT ON COLUMN registry.access_reviews.needs_review IS 'Whether no row of the roster named the account by id or address.';
COMMENT ON COLUMN registry.access_reviews.last_accessed IS 'When the member was last seen, as it was known; null: Bitbucket did not tell.';
COMMENT ON COLUMN registry.access_reviews.data_as_of IS 'As of when the reviewer saw it.';
COMMENT ON COLUMN registry.access_reviews.decision IS 'keep or revoke.';
COMMENT ON COLUMN registry.access_reviews.reason IS 'Why; null: nothing was said.';
COMMENT ON COLUMN registry.access_reviews.reviewed_by IS 'The reviewer, as airflow:login.';
COMMENT ON COLUMN registry.access_reviews.reviewed_at IS 'When.';

CREATE TABLE registry.access_review_sign_offs (
    sign_off_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text NOT NULL,
    members integer NOT NULL CHECK (members > 0),
    kept integer NOT NULL,
    revoked integer NOT NULL,
    note text CHECK (btrim(note) <> ''),
    signed_off_by registry.person NOT NULL,
    signed_off_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
CREATE INDEX access_review_sign_offs_of_workspace ON registry.access_review_sign_offs (workspace, sign_off_id DESC);
COMMENT ON TABLE registry.access_review_sign_offs IS
'Access reviews that were signed off: on every member of that moment a decision stood. Rows are added, never changed.';
COMMENT ON COLUMN registry.access_review_sign_offs.sign_off_id IS 'Order of the sign-offs.';
COMMENT ON COLUMN registry.access_review_sign_offs.workspace IS 'Workspace slug.';
COMMENT ON COLUMN registry.access_review_sign_offs.members IS 'Members of that moment.';
COMMENT ON COLUMN registry.access_review_sign_offs.kept IS 'Of how many the access is kept.';
COMMENT ON COLUMN registry.access_review_sign_offs.revoked IS 'Of how many it was to be revoked and was still there.';
COMMENT ON COLUMN registry.access_review_sign_offs.note IS 'What was said beside it; null: nothing.';
COMMENT ON COLUMN registry.access_review_sign_offs.signed_off_by IS 'Who signed off, as airflow:login.';
COMMENT ON COLUMN registry.access_review_sign_offs.signed_off_at IS 'When.';

CREATE TABLE registry.finding_assignments (
    assignment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text NOT NULL,
    finding_id uuid NOT NULL,
    assigned_to registry.person,
    note text CHECK (btrim(note) <> ''),
    assigned_by registry.person NOT NULL,
    assigned_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
CREATE INDEX finding_assignments_by_finding ON registry.finding_assignments (finding_id, assignment_id DESC);
COMMENT ON TABLE registry.finding_assignments IS
'Who is to see to a finding. Rows are added, never changed; the newest of a finding stands. It changes no verdict and no deadline.';
COMMENT ON COLUMN registry.finding_assignments.assignment_id IS 'Order of the assignments.';
COMMENT ON COLUMN registry.finding_assignments.workspace IS 'Workspace slug.';
COMMENT ON COLUMN registry.finding_assignments.finding_id IS 'Finding; see compliance.findings.';
COMMENT ON COLUMN registry.finding_assignments.assigned_to IS 'Who is to see to it; null: nobody any more.';
COMMENT ON COLUMN registry.finding_assignments.note IS 'What was said beside it; null: nothing.';
COMMENT ON COLUMN registry.finding_assignments.assigned_by IS 'Who assigned it, as airflow:login.';
COMMENT ON COLUMN registry.finding_assignments.assigned_at IS 'When.';

-- When something was declared or decided is not for who declares it to say: the server's clock does.
GRANT SELECT ON
registry.imports,
registry.import_withdrawals,
registry.refused_rows,
registry.roster_mappings,
registry.classification,
registry.classification_bindings,
registry.evidence,
registry.evidence_members,
registry.evidence_decisions,
registry.evidence_subjects,
registry.exceptions,
registry.exception_decisions,
registry.exception_subjects,
registry.finding_assignments,
registry.policy_overrides,
registry.policy_decisions,
registry.policy_versions,
registry.persons
TO compliance_pipeline, compliance_console;
GRANT INSERT ON registry.evidence_members, registry.evidence_subjects, registry.exception_subjects
TO compliance_pipeline, compliance_console;
GRANT INSERT (entry_id, workspace, repository_id) ON registry.classification_bindings
TO compliance_pipeline, compliance_console;
GRANT
INSERT (
    kind, file_name, file_sha256, row_count, imported_by, source, roster_name, mapping, mapping_version, refused_rows
)
ON registry.imports TO compliance_pipeline, compliance_console;
GRANT INSERT (import_id, taken_back_by, reason) ON registry.import_withdrawals
TO compliance_pipeline, compliance_console;
GRANT INSERT (mapping_version, body) ON registry.roster_mappings TO compliance_pipeline, compliance_console;
GRANT INSERT ON registry.refused_rows TO compliance_pipeline, compliance_console;
GRANT
INSERT (workspace, target_type, target, classification, sensitivity, owner, import_id, declared_by)
ON registry.classification TO compliance_pipeline, compliance_console;
GRANT
INSERT (
    test_id, scope, workspace, kind, captured_on, submitted_by, file_name, file_sha256, import_id, targets, note,
    media_type, size_bytes, submitted_sha256, storage_url
)
ON registry.evidence TO compliance_pipeline, compliance_console;
GRANT INSERT (evidence_id, decision, decided_by, reason, policy_version, self_review) ON registry.evidence_decisions
TO compliance_pipeline, compliance_console;
GRANT INSERT (workspace, test_id, scope, target, owner, reason, expires_at, requested_by) ON registry.exceptions
TO compliance_pipeline, compliance_console;
GRANT INSERT (exception_id, decision, decided_by, reason, policy_version, self_review) ON registry.exception_decisions
TO compliance_pipeline, compliance_console;
GRANT INSERT (workspace, finding_id, assigned_to, note, assigned_by) ON registry.finding_assignments
TO compliance_pipeline, compliance_console;
GRANT INSERT (workspace, body, set_by, reason, lowers) ON registry.policy_overrides
TO compliance_pipeline, compliance_console;
GRANT INSERT (override_id, decision, decided_by, reason, policy_version, self_review) ON registry.policy_decisions
TO compliance_pipeline, compliance_console;
GRANT INSERT (policy_version, body) ON registry.policy_versions TO compliance_pipeline, compliance_console;
GRANT INSERT (person) ON registry.persons TO compliance_pipeline, compliance_console;
GRANT
SELECT,
INSERT (workspace, requested_by, manifest, manifest_sha256, newest_run_at)
ON registry.purges TO compliance_console;
GRANT
SELECT,
INSERT (purge_id, decision, decided_by, reason, policy_version, self_review)
ON registry.purge_decisions TO compliance_console;
GRANT SELECT ON registry.purged TO compliance_console;
-- What the roster said of somebody's employment is noted by the database, and not for the console to see.
GRANT
SELECT (
    review_id, workspace, member_id, account_id, display_name, role, matched_by, review_group, needs_review,
    last_accessed, data_as_of, decision, reason, reviewed_by, reviewed_at
),
INSERT (
    workspace, member_id, account_id, display_name, role, matched_by, review_group, needs_review, last_accessed,
    data_as_of, decision, reason, reviewed_by
)
ON registry.access_reviews TO compliance_console;
GRANT
SELECT,
INSERT (workspace, members, kept, revoked, note, signed_off_by)
ON registry.access_review_sign_offs TO compliance_console;
-- Whether and until when somebody is employed is for the pipeline to judge by and for the people reader to see.
GRANT SELECT, INSERT ON registry.people TO compliance_pipeline;
GRANT INSERT, SELECT (import_id, line, email, name, account_id, other_emails) ON registry.people TO compliance_console;
