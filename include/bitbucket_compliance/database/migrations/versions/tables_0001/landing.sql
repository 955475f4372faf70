-- Purpose: raw answers of Bitbucket, the outcome of every call, and what a run has read and is to read.

CREATE TABLE landing.objects (
    workspace text NOT NULL,
    resource text NOT NULL,
    object_key text NOT NULL,
    repository_id text,
    body_hash text NOT NULL,
    body jsonb NOT NULL,
    first_fetched_at timestamptz NOT NULL,
    fetched_at timestamptz NOT NULL,
    run_id text NOT NULL,
    PRIMARY KEY (workspace, resource, object_key, first_fetched_at, body_hash)
);
-- No row is ever looked for by it, and statistics of documents are most of the work of ANALYZE.
ALTER TABLE landing.objects ALTER COLUMN body SET STATISTICS 0;
CREATE INDEX objects_by_repository ON landing.objects (workspace, resource, repository_id);
-- For retention. It looks for fetched_at, but that changes with every run: an index of it would grow with each of them.
CREATE INDEX objects_by_start ON landing.objects (workspace, first_fetched_at);
COMMENT ON TABLE landing.objects IS
'A row per interval in which an object had one body: first_fetched_at and fetched_at say when it was seen first and last, run_id by which run last. The newest row of an object is what Bitbucket said last. Nothing is overwritten.';

CREATE TABLE landing.calls (
    workspace text NOT NULL,
    run_id text NOT NULL,
    resource text NOT NULL,
    repository_id text NOT NULL DEFAULT '',
    item_key text NOT NULL DEFAULT '',
    outcome text NOT NULL
    CHECK (outcome IN ('ok', 'scope_missing', 'permission_missing', 'not_found', 'failed')),
    http_status integer,
    message text,
    requests integer NOT NULL DEFAULT 0,
    items integer NOT NULL DEFAULT 0,
    listing_size integer,
    repeated_items integer NOT NULL DEFAULT 0,
    incomplete_because text,
    reread boolean NOT NULL DEFAULT false,
    fetched_at timestamptz NOT NULL,
    complete boolean NOT NULL GENERATED ALWAYS AS (outcome = 'ok' AND incomplete_because IS null) STORED,
    PRIMARY KEY (workspace, run_id, resource, repository_id, item_key)
);
COMMENT ON COLUMN landing.calls.incomplete_because IS
'Why a listing may lack objects, as the end of a sentence; null: it is shown to be complete, or is no listing.';
COMMENT ON COLUMN landing.calls.complete IS
'Whether it brought all there is: nothing passes, and nothing is gone, by a listing that may lack objects.';
COMMENT ON TABLE landing.calls IS
'A row per call of a run with its outcome. What could not be read, and why, is data for the verdicts.';

CREATE TABLE landing.work_items (
    workspace text NOT NULL,
    run_id text NOT NULL,
    chunk integer NOT NULL,
    repository_id text NOT NULL,
    slug text NOT NULL,
    main_branch text,
    non_production boolean NOT NULL,
    place integer NOT NULL DEFAULT 0,
    cause text NOT NULL DEFAULT 'never_read',
    updated_on timestamptz,
    read_signature text NOT NULL DEFAULT '',
    left_over boolean NOT NULL DEFAULT false,
    PRIMARY KEY (workspace, run_id, repository_id)
);
COMMENT ON TABLE landing.work_items IS 'The repositories a run reads, in order, split into chunks for mapped tasks.';
COMMENT ON COLUMN landing.work_items.cause IS
'Why it is read: never_read, failed_before, stale, changed, basis_changed, full_refresh or event.';
COMMENT ON COLUMN landing.work_items.left_over IS 'Left to the next run because this one''s time was up.';

CREATE TABLE landing.repository_reads (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    run_id text NOT NULL,
    read_at timestamptz NOT NULL,
    complete boolean NOT NULL,
    updated_on timestamptz,
    main_branch text,
    non_production boolean NOT NULL,
    read_signature text NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);
COMMENT ON TABLE landing.repository_reads IS
'When each repository was last read to the end, and what it looked like then: what tells whether it is due again.';
COMMENT ON COLUMN landing.repository_reads.complete IS
'Whether no call on it failed and no listing of it may lack objects; otherwise it is due at once.';
COMMENT ON COLUMN landing.repository_reads.updated_on IS 'What Bitbucket''s listing said before it was read.';
COMMENT ON COLUMN landing.repository_reads.read_signature IS
'Stands for the scopes, role and policy that decide which calls a reading makes; another one means another reading.';

CREATE TABLE landing.checkpoints (
    workspace text NOT NULL,
    run_id text NOT NULL,
    resource text NOT NULL,
    repository_id text NOT NULL DEFAULT '',
    item_key text NOT NULL DEFAULT '',
    next_link text NOT NULL,
    bodies jsonb NOT NULL,
    requests integer NOT NULL,
    listing_size integer,
    PRIMARY KEY (workspace, run_id, resource, repository_id, item_key)
);
COMMENT ON TABLE landing.checkpoints IS
'Where calls stopped when the hour''s requests were used up: the pages read, and the link to go on from.';

CREATE TABLE landing.looked_up_emails (
    workspace text NOT NULL,
    email text NOT NULL,
    run_id text NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (workspace, email)
);
COMMENT ON TABLE landing.looked_up_emails IS
'Declared addresses that Bitbucket was asked for, and by which run last: what it confirmed is among that run''s objects. An address that is due again has no row until it is answered.';

GRANT SELECT, INSERT, UPDATE, DELETE ON
landing.calls,
landing.looked_up_emails,
landing.work_items,
landing.repository_reads,
landing.checkpoints
TO compliance_pipeline;
-- What Bitbucket answered is a record: it may be seen again; old bodies go by landing.forget_bodies.
GRANT SELECT, INSERT, UPDATE (fetched_at, run_id) ON landing.objects TO compliance_pipeline;
