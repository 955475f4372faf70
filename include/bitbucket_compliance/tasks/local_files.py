"""Whether what tasks write can be read by all: with workers on several machines a folder belongs to one of them."""

import os
from collections.abc import Mapping
from typing import Final

from bitbucket_compliance.core.configured_folders import place
from bitbucket_compliance.pipeline.gate.data_docs import BASE_VARIABLE
from bitbucket_compliance.registry.evidence_files.store import URL_VARIABLE
from bitbucket_compliance.tasks.export_results import TARGET

#: where tasks write, what, and below which name of the folder for all; without a place nothing is written but the first
_PLACES: Final = {
    BASE_VARIABLE: ("pages of the gates", "data_docs"),
    URL_VARIABLE: ("evidence", "evidence"),
    TARGET: ("exports", "exports"),
}
#: executors whose tasks all run on the machine of the scheduler
_ON_ONE_MACHINE: Final = {"LocalExecutor", "SequentialExecutor"}


def is_distributed(executors: str) -> bool:
    """Whether tasks may run on several machines.

    Args:
        executors: as ``[core] executor`` names one or several, with or without module and alias.
    """
    names = {part.strip().rpartition(":")[2].rpartition(".")[2] for part in executors.split(",") if part.strip()}
    return bool(names - _ON_ONE_MACHINE)


def local_places(executors: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence on each place that one worker alone would see.

    Args:
        executors: as for ``is_distributed``.
    """
    if not is_distributed(executors):
        return []
    told = []
    for variable, (what, name) in _PLACES.items():
        address = place(variable, name, environment)
        is_local = address.startswith("file://") or "://" not in address
        if is_local and (address or variable == BASE_VARIABLE):
            told.append(
                f"{variable} is {address or 'not set'}: {what} are written to a folder of whichever worker does it, "
                f"and tasks run on several ({executors}); give an object store that all reach, such as "
                "s3://bucket/folder, or a folder that all of them mount"
            )
    return told
