"""Reading repositories: which calls each needs, made side by side, chunk by chunk."""
