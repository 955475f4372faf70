"""Attacks on what runs: over HTTP, with the logins that a person would have."""
