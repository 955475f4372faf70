"""Declared data from files, queries and directories: roster, classification, two-step verification export."""

from bitbucket_compliance.registry.csv_file import File
from bitbucket_compliance.registry.imports.rows import ROSTER_COLUMNS
from bitbucket_compliance.registry.imports.take import import_file, import_roster, problem_lines

__all__ = ["ROSTER_COLUMNS", "File", "import_file", "import_roster", "problem_lines"]
