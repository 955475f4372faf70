"""Alembic environment: the connection comes from `database.migrate`, one transaction for all steps."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="schema_version", version_table_schema="integration")
with context.begin_transaction():
    context.run_migrations()
