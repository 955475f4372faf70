"""The landing zone: what calls brought, and how it gets into Postgres."""
