"""What the pages show and do: connection, runs, webhooks, purge, audit trail."""
