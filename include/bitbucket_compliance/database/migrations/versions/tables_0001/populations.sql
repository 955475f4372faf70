-- Purpose: populations that an auditor asks for beside changes: who was a member from when to when, and who left.

CREATE TABLE compliance.member_history (
    workspace text NOT NULL,
    member_id text NOT NULL,
    account_id text,
    display_name text,
    member_type text,
    role text,
    matched_by text,
    on_roster boolean,
    added_on timestamptz,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    last_seen_at timestamptz,
    first_run_id text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    workspace_id text,
    PRIMARY KEY (workspace, member_id, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX member_history_open ON compliance.member_history (workspace, member_id) WHERE valid_to IS null;
COMMENT ON TABLE compliance.member_history IS
'Who was a member of the workspace in which role, from when to when: a row for each interval in which neither account, name nor role changed. An interval ends only by a complete listing.';
COMMENT ON COLUMN compliance.member_history.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.member_history.member_id IS 'Bitbucket''s uuid of the member, with braces.';
COMMENT ON COLUMN compliance.member_history.account_id IS 'Atlassian account id.';
COMMENT ON COLUMN compliance.member_history.display_name IS 'Display name, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.member_history.member_type IS 'user, or app_user for apps.';
COMMENT ON COLUMN compliance.member_history.role IS
'owner or member; null: it could not be read. A role that could not be read later is the one that was read before.';
COMMENT ON COLUMN compliance.member_history.matched_by IS
'How the roster named the member when the interval began: account_id, email or name; null: it did not.';
COMMENT ON COLUMN compliance.member_history.on_roster IS
'Whether the roster named the member by account id or address when the interval began; null: an app, no roster was imported, or not every declared address could be looked up.';
COMMENT ON COLUMN compliance.member_history.added_on IS
'When the member joined, as Bitbucket told; null: it did not.';
COMMENT ON COLUMN compliance.member_history.valid_from IS 'From when it was so, as far as it was seen (inclusive).';
COMMENT ON COLUMN compliance.member_history.valid_to IS
'Until when it was so (exclusive): something changed, or the first complete listing without the member was published; null: it still is.';
COMMENT ON COLUMN compliance.member_history.last_seen_at IS
'When a listing named the member so for the last time; null: the interval did not end yet.';
COMMENT ON COLUMN compliance.member_history.first_run_id IS 'The run that saw it first.';
COMMENT ON COLUMN compliance.member_history.recorded_at IS
'When the row was written or ended, by the server''s clock.';
COMMENT ON COLUMN compliance.member_history.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

CREATE TABLE compliance.member_addresses (
    workspace text NOT NULL,
    email text NOT NULL,
    member_id text NOT NULL,
    confirmed_at timestamptz NOT NULL,
    workspace_id text,
    PRIMARY KEY (workspace, email, member_id)
);
COMMENT ON TABLE compliance.member_addresses IS
'Declared addresses that Bitbucket ever confirmed for a member: who left is recognised by them when the account is gone. For the pipeline alone.';
COMMENT ON COLUMN compliance.member_addresses.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.member_addresses.email IS 'The address, in lower case.';
COMMENT ON COLUMN compliance.member_addresses.member_id IS 'Bitbucket''s uuid of the member, with braces.';
COMMENT ON COLUMN compliance.member_addresses.confirmed_at IS 'When it was confirmed first.';
COMMENT ON COLUMN compliance.member_addresses.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

CREATE TABLE compliance.leaver_records (
    workspace text NOT NULL,
    leaver_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    person_key text NOT NULL,
    roster_name text NOT NULL,
    name text,
    email text,
    account_id text,
    last_working_day date,
    declared_at timestamptz NOT NULL,
    is_declared boolean NOT NULL,
    member_id text,
    matched_by text CHECK (matched_by IN ('account_id', 'email')),
    problem text CHECK (problem IN ('several_members', 'rosters_contradict', 'name_alone', 'addresses_not_answered')),
    watched_since timestamptz,
    grace_days integer NOT NULL,
    time_zone text NOT NULL,
    policy_version text NOT NULL,
    first_run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    workspace_id text,
    CHECK (problem IS null OR member_id IS null)
);
CREATE UNIQUE INDEX leaver_records_by_person
ON compliance.leaver_records (workspace, person_key, coalesce(last_working_day, '-infinity'));
COMMENT ON TABLE compliance.leaver_records IS
'Storage behind leavers: each person of whom a roster said that they left, and last day, once. A row stays when the roster drops the person.';
COMMENT ON COLUMN compliance.leaver_records.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.leaver_records.leaver_id IS 'Id of the row.';
COMMENT ON COLUMN compliance.leaver_records.person_key IS
'Who it is: SHA-256, hex, of the address, else the account id, else the name.';
COMMENT ON COLUMN compliance.leaver_records.roster_name IS 'Which roster said so.';
COMMENT ON COLUMN compliance.leaver_records.name IS 'Name on the roster.';
COMMENT ON COLUMN compliance.leaver_records.email IS 'Address on the roster.';
COMMENT ON COLUMN compliance.leaver_records.account_id IS 'Atlassian account id on the roster.';
COMMENT ON COLUMN compliance.leaver_records.last_working_day IS 'Last working day on the roster; null: it names none.';
COMMENT ON COLUMN compliance.leaver_records.declared_at IS 'When the roster was imported that said so first.';
COMMENT ON COLUMN compliance.leaver_records.is_declared IS
'Whether a roster in force says so still; false: the person is not on it any more, came back, or has another last day.';
COMMENT ON COLUMN compliance.leaver_records.member_id IS
'The one member, of today or of before, whom the row names; null: none, or it is not known.';
COMMENT ON COLUMN compliance.leaver_records.matched_by IS 'How: account_id or email.';
COMMENT ON COLUMN compliance.leaver_records.problem IS
'Why nobody knows which member it is: several_members (the row points at more than one), rosters_contradict, name_alone (the row has neither address nor account id), addresses_not_answered (Bitbucket did not tell whose the addresses are); null: it is known, also that it is none.';
COMMENT ON COLUMN compliance.leaver_records.watched_since IS
'Since when access of this person would have been seen: the first complete listing of members and, where the row has an address alone, the first whole run after a roster named it; null: not yet.';
COMMENT ON COLUMN compliance.leaver_records.grace_days IS
'offboarding_grace_days of the policy when it was recorded.';
COMMENT ON COLUMN compliance.leaver_records.time_zone IS 'Time zone in which days begin and end, of the same policy.';
COMMENT ON COLUMN compliance.leaver_records.policy_version IS 'That policy; see policies.';
COMMENT ON COLUMN compliance.leaver_records.first_run_id IS 'The run that recorded it first.';
COMMENT ON COLUMN compliance.leaver_records.recorded_at IS 'When it was recorded or changed last.';
COMMENT ON COLUMN compliance.leaver_records.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

-- An interval may be ended; of somebody who left more may become known.
GRANT SELECT, INSERT, UPDATE (valid_to, last_seen_at, recorded_at) ON compliance.member_history TO compliance_pipeline;
GRANT SELECT ON compliance.member_history TO compliance_console, compliance_reader;
GRANT SELECT, INSERT ON compliance.member_addresses TO compliance_pipeline;
GRANT
SELECT,
INSERT,
UPDATE (is_declared, member_id, matched_by, problem, watched_since, recorded_at)
ON compliance.leaver_records TO compliance_pipeline;

CREATE TABLE compliance.population_counts (
    workspace text NOT NULL,
    run_id text NOT NULL,
    population text NOT NULL CHECK (
        population IN ('repositories', 'members', 'pull_requests', 'direct_pushes', 'leavers')
    ),
    day date NOT NULL,
    counted_at timestamptz NOT NULL,
    complete boolean NOT NULL,
    incomplete_because text,
    shown_whole_by text CHECK (shown_whole_by IN ('size', 'last_page')),
    said integer,
    read integer,
    in_table integer NOT NULL,
    differences jsonb NOT NULL,
    unexplained integer NOT NULL,
    reaches_back_to timestamptz,
    workspace_id text,
    PRIMARY KEY (workspace, run_id, population)
);
CREATE INDEX population_counts_by_day ON compliance.population_counts (workspace, day);
COMMENT ON TABLE compliance.population_counts IS
'What each whole run made of each population: what Bitbucket said there is, what was read, what stands in the table after it was published, and what of it differs and why. Rows are only ever added, and go when the policy''s history_kept_days are over.';
COMMENT ON COLUMN compliance.population_counts.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.population_counts.run_id IS 'The run; see runs.';
COMMENT ON COLUMN compliance.population_counts.population IS
'repositories, members, pull_requests (merged into main branches, in changes), direct_pushes (in changes) or leavers.';
COMMENT ON COLUMN compliance.population_counts.day IS 'The day on which it was published, in UTC.';
COMMENT ON COLUMN compliance.population_counts.counted_at IS 'When it was published.';
COMMENT ON COLUMN compliance.population_counts.complete IS
'Whether all that there was is shown to have been read: of pull requests the lists of every repository, of direct pushes that webhooks were active, of leavers that a roster was in force and every address was answered.';
COMMENT ON COLUMN compliance.population_counts.incomplete_because IS 'Why not; null: it is complete.';
COMMENT ON COLUMN compliance.population_counts.shown_whole_by IS
'How Bitbucket showed that there is no more: size (it said how many there are) or last_page (no page follows); null: neither, or the population is no list of Bitbucket''s.';
COMMENT ON COLUMN compliance.population_counts.said IS
'How many Bitbucket said there are, of leavers how many people the rosters say have left; null: it did not say.';
COMMENT ON COLUMN compliance.population_counts.read IS
'How many the run knows of: of repositories and members those that it listed, of changes those in the window; null: the listing failed.';
COMMENT ON COLUMN compliance.population_counts.in_table IS
'How many stand in the table after it was published: of changes all that are kept.';
COMMENT ON COLUMN compliance.population_counts.differences IS
'What was read and is not in the table, or the reverse, 100 at most: key, name, difference (not_in_table or not_read), reason (null: nobody knows).';
COMMENT ON COLUMN compliance.population_counts.unexplained IS 'How many differences have no reason.';
COMMENT ON COLUMN compliance.population_counts.reaches_back_to IS
'From when on changes are in the population: the start of the window of the first run; null: of others than changes, or no webhook was ever registered.';
COMMENT ON COLUMN compliance.population_counts.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

GRANT SELECT, INSERT ON compliance.population_counts TO compliance_pipeline;
GRANT SELECT ON compliance.population_counts TO compliance_console, compliance_reader;
