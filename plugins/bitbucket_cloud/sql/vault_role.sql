-- Purpose: act as the vault's role for the rest of the transaction; no other may touch its table.
SET LOCAL ROLE compliance_vault;
