-- Purpose: a run that has ended needs no requests any more; what it sent counts in its share for the rest of the hour.

UPDATE integration.request_shares AS shares
SET wanted = 0
WHERE shares.spender = %(workspace)s AND shares.wanted IS DISTINCT FROM 0;
