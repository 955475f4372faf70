-- Purpose: the requests that still count at a moment.

SELECT coalesce(sum(ledger.requests), 0)::bigint AS used
FROM integration.request_ledger AS ledger
WHERE
    ledger.consumer = %(consumer)s
    AND ledger.bin > coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(secs => %(window)s);
