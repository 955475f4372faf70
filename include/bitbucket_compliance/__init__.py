"""Compliance of a Bitbucket Cloud workspace: what is read of it, how it is judged, and what is published."""
