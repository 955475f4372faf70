"""Security tests over staged tables, into judged verdicts."""
