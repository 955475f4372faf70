"""The record of what was published and decided: digests in a chain, and whether everything still fits."""
