"""Explain one verdict of today or of an earlier day: the chain from what Bitbucket said to the reason."""
