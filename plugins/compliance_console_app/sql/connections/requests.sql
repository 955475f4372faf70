-- Purpose: how much of its hour a consumer has used.

SELECT
    uses.requests,
    uses.stated_limit,
    uses.paused_until
FROM integration.request_use AS uses
WHERE uses.consumer = %(consumer)s;
