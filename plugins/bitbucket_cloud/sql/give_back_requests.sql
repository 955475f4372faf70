-- Purpose: take requests that were booked and never sent out of their bin again.

UPDATE integration.request_ledger AS ledger
SET requests = greatest(0, ledger.requests - %(requests)s)
WHERE ledger.consumer = %(consumer)s AND ledger.bin = %(bin)s;
