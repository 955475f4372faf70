"""The schema of the compliance database: roles, tables, views and functions."""
