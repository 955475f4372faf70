"""Policy: the numbers and switches of the tests as validated, versioned data."""
