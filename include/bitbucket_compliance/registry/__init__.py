"""What people declare: evidence, exceptions, the roster from its sources."""
