"""The body of the task of the DAG roster_refresh."""

from bitbucket_compliance.registry.imports.roster_sources import Source
from bitbucket_compliance.tasks.frame import fail_without_retry
from bitbucket_compliance.tasks.registry_import import import_declared, import_roster


def refresh_roster(source: str, imported_by: str) -> None:
    """Take the roster from the source that ``COMPLIANCE_ROSTER_SOURCE`` names."""
    with fail_without_retry():
        named = Source.parse(source)
    if named.kind == "file":
        import_declared("roster", named.path, None, imported_by)
    else:
        import_roster(named, imported_by)
