"""Expectation suites as data; ``include.pipeline.gate`` turns them into Great Expectations suites and runs them."""
