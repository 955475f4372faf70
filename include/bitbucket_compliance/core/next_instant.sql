-- Purpose: the one instant of a publication: now, and later than everything that history and earlier publications say
-- of the workspace, even where two publications meet in one instant or the server's clock was put back.
-- Two microseconds: an interval is cut at the expiry of its exception between the last instant and this one.

SELECT
    greatest(
        clock_timestamp(),
        (
            SELECT max(history.valid_from)
            FROM compliance.result_history AS history
            WHERE history.workspace = %(workspace)s AND history.valid_to IS null
        ) + interval '2 microseconds',
        (
            SELECT max(publications.published_at)
            FROM integration.publications AS publications
            WHERE publications.workspace = %(workspace)s
        ) + interval '2 microseconds'
    ) AS published_at;
