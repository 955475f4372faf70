"""Callbacks of the DAGs, importable without anything heavy: they run where the DAG file is parsed."""

from typing import Any


def report_failure(context: Any) -> None:
    """Say in one line why a task failed, in its log and to whoever started the run by hand."""
    from bitbucket_compliance.tasks.tasks import report_failure as report

    report(context)
