"""Webhooks at Bitbucket: registration, removal, secrets, signatures and events."""
