-- Purpose: delete booked requests of consumers that nobody uses any more, and listings that may be asked for again; the
-- other consumers tidy up after a day themselves.

WITH listings AS (
    DELETE FROM integration.refused_listings AS listings
    WHERE listings.refused_at < %(before)s
)

DELETE FROM integration.request_ledger AS ledger
WHERE ledger.bin < %(before)s;
