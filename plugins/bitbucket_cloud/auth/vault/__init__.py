"""The token vault: the grants of connections that a person gave, encrypted, and the refresh of their tokens."""
