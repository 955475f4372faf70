"""Hooks of the SCIM provider."""
