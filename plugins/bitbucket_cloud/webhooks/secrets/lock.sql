-- Purpose: let one process at a time put a new secret in the place of the current one; reading goes on.
LOCK TABLE integration.webhook_secrets IN SHARE ROW EXCLUSIVE MODE;
