-- Purpose: delete booked requests of consumers that nobody uses any more; the others tidy up after a day themselves.

DELETE FROM integration.request_ledger AS ledger
WHERE ledger.bin < %(before)s;
