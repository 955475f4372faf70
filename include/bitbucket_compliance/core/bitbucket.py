"""What this project tells the package ``bitbucket_cloud``: where its tables are, who may read them, what to advise."""

from typing import Final

from bitbucket_cloud.configuration import Configuration
from bitbucket_compliance.core.database import CONNECTION_ID

CONFIGURATION: Final = Configuration(
    database_conn_id=CONNECTION_ID,
    schema="integration",
    vault_role="compliance_vault",
    key_variable="COMPLIANCE_VAULT_KEY",
    webhook_key_variable="COMPLIANCE_WEBHOOK_KEY",
    webhook_label="Compliance pipeline",
    webhook_url_setting="COMPLIANCE_WEBHOOK_URL",
    to_connect="a person has to connect it: Connect in the console, or `make connect`",
    to_rotate="rotate it: make webhooks ACTION=rotate",
    to_reactivate="switch it on with Register or repair in the console, or `make webhooks REACTIVATE=1`",
    to_repair="check the server and that the migrations were run",
)
