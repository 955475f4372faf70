"""The catalogue: every folder here is a security test and defines ``TEST``; a ninth test is one new folder."""

from importlib import import_module
from pkgutil import iter_modules

from bitbucket_compliance.security_tests.model import SecurityTest

CATALOGUE: tuple[SecurityTest, ...] = tuple(
    sorted(
        (import_module(f"{__name__}.{found.name}").TEST for found in iter_modules(__path__) if found.ispkg),
        key=lambda test: test.order,
    )
)
BY_ID = {test.test_id: test for test in CATALOGUE}
