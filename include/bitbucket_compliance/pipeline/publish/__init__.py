"""Judged verdicts into the published schema, in one transaction."""
