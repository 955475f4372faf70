"""Limits that DAG files need too: nothing is imported here."""

# A run that said nothing for so many seconds is taken for dead.
SILENCE = 60.0
