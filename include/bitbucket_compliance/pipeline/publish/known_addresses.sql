-- Purpose: the addresses that were ever confirmed for a member.

SELECT
    addresses.email,
    addresses.member_id
FROM compliance.member_addresses AS addresses
WHERE addresses.workspace = %(workspace)s
ORDER BY addresses.email ASC, addresses.member_id ASC;
