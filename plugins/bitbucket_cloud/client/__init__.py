"""Requests to Bitbucket: transport, retries, pagination, errors, the table of endpoints."""
