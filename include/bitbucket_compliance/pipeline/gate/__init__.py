"""Great Expectations over staged tables and verdicts."""
