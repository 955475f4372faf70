"""Expectation suites as data; ``pipeline.gate.gate`` turns them into Great Expectations suites and runs them."""
