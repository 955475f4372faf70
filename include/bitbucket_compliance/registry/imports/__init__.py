"""Declared data from files, queries and directories: roster, classification, two-step verification export."""

from bitbucket_compliance.registry.imports.mapping import ROSTER_COLUMNS
from bitbucket_compliance.registry.imports.result import ImportResult
from bitbucket_compliance.registry.imports.take import import_file, problem_lines
from bitbucket_compliance.registry.imports.take_roster import MAIN, import_roster
from bitbucket_compliance.registry.tables.file import File

__all__ = ["MAIN", "ROSTER_COLUMNS", "File", "ImportResult", "import_file", "import_roster", "problem_lines"]
