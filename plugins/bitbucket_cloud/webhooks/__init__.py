"""Webhooks at Bitbucket: registration, secrets, signatures, events."""
