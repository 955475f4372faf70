-- Purpose: the session's empty tables that a batch of results is copied into.

CREATE TEMPORARY TABLE IF NOT EXISTS incoming_objects (
    resource text,
    repository_id text,
    object_key text,
    body_hash text,
    body jsonb,
    fetched_at timestamptz
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS incoming_calls (
    resource text,
    repository_id text,
    item_key text,
    outcome text,
    http_status integer,
    message text,
    requests integer,
    items integer,
    listing_size integer,
    repeated_items integer,
    incomplete_because text,
    reread boolean,
    fetched_at timestamptz
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS incoming_addresses (
    email text,
    asked_at timestamptz
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS incoming_reads (
    repository_id text,
    read_at timestamptz,
    complete boolean
) ON COMMIT DELETE ROWS;
