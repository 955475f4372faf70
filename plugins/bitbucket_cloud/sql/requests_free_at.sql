-- Purpose: when so many requests will be free again, if no more are booked: once enough bins have left the window.

WITH bins AS (
    SELECT
        ledger.bin + make_interval(secs => %(window)s) AS leaves_at,
        sum(ledger.requests) OVER (ORDER BY ledger.bin) AS freed,
        sum(ledger.requests) OVER () AS used
    FROM integration.request_ledger AS ledger
    WHERE
        ledger.consumer = %(consumer)s
        AND ledger.bin > %(moment)s::timestamptz - make_interval(secs => %(window)s)
)

SELECT min(bins.leaves_at) AS free_at
FROM bins
WHERE bins.used - bins.freed <= %(limit)s::int - %(wanted)s;
