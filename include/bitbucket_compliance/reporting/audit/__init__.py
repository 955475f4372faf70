"""The audit package: what an auditor signs off from for a workspace and a period, and a program that checks it."""
