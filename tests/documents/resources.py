"""Write ``docs/resources.md`` from the resources and the security tests that rest on them: ``make docs``."""

import sys
from collections.abc import Iterator

from bitbucket_cloud.client.endpoints import ENDPOINTS
from bitbucket_compliance.core.database import PACKAGE
from bitbucket_compliance.resources.catalogue import OF_SAMPLES, RESOURCES
from bitbucket_compliance.resources.model import Resource
from bitbucket_compliance.security_tests import CATALOGUE

TARGET = PACKAGE.parents[1] / "docs" / "resources.md"
_INTRODUCTION = """\
<!-- Written by `make docs` from include/bitbucket_compliance/resources: change it there. -->

# What is read of Bitbucket

Every call that the pipeline makes to read something, and every field that it asks for. A run reads what its enabled
tests rest on, what the inventory shows, and what no run can do without. Requests are those of one repository, at its
first reading and at a later one."""


def document() -> str:
    """The whole page as Markdown."""
    return "\n\n".join([_INTRODUCTION, *("\n".join(_section(one)) for one in (*RESOURCES, *OF_SAMPLES))]) + "\n"


def _section(resource: Resource) -> Iterator[str]:
    endpoint = ENDPOINTS[resource.endpoint]
    yield f"## {resource.title}"
    yield ""
    yield f"`{resource.name}` · `{endpoint.method} {endpoint.path}`"
    yield ""
    yield from (f"- {name}: {text}" for name, text in _facts(resource) if text)


def _facts(resource: Resource) -> Iterator[tuple[str, str]]:
    yield "fields", _listed(resource.asked_fields)
    yield "scopes", _listed(sorted(resource.scopes)) or "any token will do"
    if resource in OF_SAMPLES:
        yield "asked for", f"for an audit package with `READ_SAMPLES=1`; {resource.pages} requests at most"
    if resource.asked_after:
        yield "asked for", f"after `{resource.asked_after}`, where that shows that it is needed"
    if resource.required:
        yield "needed by every run", f"to {resource.required}"
    if resource.of == "repository" and resource.table:
        yield "requests", f"{_requests(resource.first_requests)}, later {resource.later_requests:g}"
    yield "feeds", f"`staging.{resource.table}`" if resource.table else ""
    yield "serves", "; ".join(_served(resource))
    yield "inventory", _listed(resource.fills)
    yield "announced by", _listed(resource.announced_by)


def _served(resource: Resource) -> Iterator[str]:
    for test in CATALOGUE:
        bases = [basis for basis, names in test.bases.items() if resource.name in names]
        if bases:
            yield f"`{test.test_id}` ({', '.join(bases)})"


def _requests(first: float | str) -> str:
    return f"up to `{first}` of the policy" if isinstance(first, str) else f"{first:g}"


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main() -> int:
    """Write the page."""
    TARGET.write_text(document(), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(PACKAGE.parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
