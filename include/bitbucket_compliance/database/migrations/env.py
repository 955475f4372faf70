"""Alembic environment: one connection handed over by `bitbucket_compliance.database.migrate`, one transaction."""

from alembic import context

context.configure(**context.config.attributes["context"])
with context.begin_transaction():
    context.run_migrations()
