"""What DAGs call."""
