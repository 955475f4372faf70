"""Load every DAG, plugin and module as a server does.

It runs in the server's environment, and imports nothing of the tests.

In: the folder that holds what the image holds. Out: one line, or what failed and exit 1.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

#: Libraries of the formats that are optional, and of Superset, which has an image of its own.
NOT_ON_A_SERVER = {"flask_migrate", "ocsf_json_schema", "pyarrow", "superset", "trestle"}


def main(pipeline: Path) -> list[str]:
    return [
        *not_needed(),
        *dags(pipeline / "dags"),
        *plugins(),
        *modules(pipeline / "include"),
        *modules(pipeline / "plugins"),
        *formats(),
    ]


def not_needed() -> list[str]:
    unwanted = ("pytest", "local", "sandbox", *sorted(NOT_ON_A_SERVER))
    return [f"{name} is installed, and no server needs it" for name in unwanted if importlib.util.find_spec(name)]


def dags(folder: Path) -> list[str]:
    from airflow.dag_processing.dagbag import BundleDagBag

    bag = BundleDagBag(str(folder), bundle_path=folder)
    wanted = {path.stem for path in folder.glob("*.py")}
    return [
        *(f"{file}: {error}" for file, error in bag.import_errors.items()),
        *(f"the DAG {missing} was not found" for missing in wanted - set(bag.dags)),
    ]


def plugins() -> list[str]:
    from airflow import plugins_manager

    plugins_manager.ensure_plugins_loaded()
    errors = [f"{file}: {error}" for file, error in plugins_manager.get_import_errors().items()]
    names = {str(plugin["name"]) for plugin in plugins_manager.get_plugin_info()}
    return errors + ([] if "compliance_console" in names else ["the plugin compliance_console was not found"])


def modules(folder: Path) -> list[str]:
    """What can't be imported of all modules below a folder, other than for a library that no server has."""
    failed = []
    for path in sorted(folder.rglob("*.py")):
        # Programs that act when they are imported: Alembic's, Superset's configuration, and those of `python -m`.
        if path.stem in {"__main__", "env", "superset_config"}:
            continue
        name = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if str(missing.name).partition(".")[0] not in NOT_ON_A_SERVER:
                failed.append(f"{name}: {missing}")
        except ImportError as error:
            failed.append(f"{name}: {error}")
    return failed


def formats() -> list[str]:
    """CSV and OCSF need nothing; the other formats say in one sentence what to install."""
    from bitbucket_compliance.reporting.exports.formats import NAMES, load
    from bitbucket_compliance.reporting.exports.model import ExportRefused

    wrong = []
    for name in NAMES:
        try:
            load(name)
            said = ""
        except ExportRefused as refused:
            said = str(refused)
        if ("pip install -r" in said) == (name.startswith(("csv", "ocsf"))):
            wrong.append(f"the export format {name} says: {said or '(nothing)'}")
    return wrong


if __name__ == "__main__":
    failures = main(Path(sys.argv[1]))
    for failure in failures:
        print(failure, file=sys.stderr)
    if not failures:
        print("what a server runs is complete: every DAG, plugin and module loads")
    sys.exit(1 if failures else 0)
