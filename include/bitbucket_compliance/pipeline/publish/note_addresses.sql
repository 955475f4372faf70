-- Purpose: remember which address was confirmed for which member: whoever leaves is recognised by it later.

INSERT INTO compliance.member_addresses (workspace, email, member_id, confirmed_at, workspace_id)
SELECT
    confirmed.workspace,
    confirmed.email,
    confirmed.member_id,
    confirmed.data_as_of,
    %(workspace_id)s AS workspace_id
FROM staging.member_emails AS confirmed
WHERE confirmed.workspace = %(workspace)s
ON CONFLICT (workspace, email, member_id) DO NOTHING;
