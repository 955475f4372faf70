"""The compliance console: server-rendered pages over the published schema and the registry."""
