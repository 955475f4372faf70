-- Purpose: who signed the access review of a workspace off, the newest first.

SELECT
    members,
    kept,
    revoked,
    note,
    signed_off_by,
    signed_off_at
FROM registry.access_review_sign_offs
WHERE workspace = %(workspace)s
ORDER BY sign_off_id DESC
LIMIT 5;
