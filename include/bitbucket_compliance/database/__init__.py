"""The schema of the compliance database: roles, tables by migration, views and functions by file."""
