-- Purpose: the digest of a link: SHA-256 of a text in UTF-8 whose lines are the digest of the link before (hex; empty
-- for the first), the place of the link, when it was sealed (UTC, microseconds), and of each row its number, table, the
-- SHA-256 of its key (hex: a key may name a person, and the chain is shown to readers who may not see persons) and its
-- digest (hex; "purged" where a purge deleted it), with a space between them.

CREATE FUNCTION integration.link_digest(of_workspace text, of_link bigint, at timestamptz, before bytea) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $digest$
    SELECT
        sha256(
            convert_to(
                coalesce(encode(before, 'hex'), '') || E'\n'
                || of_link || E'\n'
                || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                || coalesce(
                    string_agg(
                        format(
                            E'\n%s %s %s %s',
                            noted.row_number, noted.relation,
                            encode(sha256(convert_to(noted.row_key, 'UTF8')), 'hex'),
                            coalesce(encode(noted.digest, 'hex'), 'purged')
                        ),
                        '' ORDER BY noted.row_number
                    ),
                    ''
                ),
                'UTF8'
            )
        )
    FROM integration.record_rows AS noted
    INNER JOIN integration.record_batches AS batches ON noted.batch = batches.batch
    WHERE noted.workspace = of_workspace AND batches.workspace = of_workspace AND batches.link = of_link
$digest$;
