"""Hooks of the Bitbucket Cloud provider."""
