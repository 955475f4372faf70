-- Purpose: book as many of the wanted requests as the limit leaves free (all of them without a limit).
-- The caller holds the lock of the consumer's row.

WITH used AS (
    SELECT coalesce(sum(ledger.requests), 0) AS requests
    FROM integration.request_ledger AS ledger
    WHERE
        ledger.consumer = %(consumer)s
        AND ledger.bin > %(moment)s::timestamptz - make_interval(secs => %(window)s)
),

granted AS (
    SELECT greatest(0, least(%(wanted)s, %(limit)s::int - used.requests)) AS requests
    FROM used
),

booked AS (
    INSERT INTO integration.request_ledger AS ledger (consumer, bin, requests)
    SELECT
        %(consumer)s,
        date_bin('10 seconds', %(moment)s::timestamptz, 'epoch'),
        granted.requests
    FROM granted
    WHERE granted.requests > 0
    ON CONFLICT (consumer, bin) DO UPDATE SET requests = ledger.requests + excluded.requests
)

SELECT
    used.requests::bigint AS used,
    granted.requests::int AS granted,
    date_bin('10 seconds', %(moment)s::timestamptz, 'epoch') AS bin
FROM used
CROSS JOIN granted;
