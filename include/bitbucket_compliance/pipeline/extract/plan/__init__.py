"""Planning: which repositories are due, in which order, and what reading them takes."""
