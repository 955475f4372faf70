"""Write the dashboard that stands in Superset back into `assets/`, after it was changed in the browser.

Run in Superset's own environment, with the environment that prepare.py takes: `python export.py [FOLDER]`.
Addresses, passwords and times stay out: the files say the same wherever they were written.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

ASSETS: Final = Path(__file__).resolve().parent / "assets"
SLUG: Final = "compliance"
NO_ADDRESS: Final = "postgresql+psycopg2://"
#: stands in the files for the address of Airflow; prepare.py fills it in
CONSOLE: Final = "{console}"
NO_TIME: Final = "2026-01-01T00:00:00+00:00"


def main() -> int:
    """Export into the folder named on the command line, or into `assets/`; the exit code."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ASSETS
    from superset.app import create_app

    with create_app().app_context():
        files = _exported()
    if folder.exists():
        shutil.rmtree(folder)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return 0


def _exported() -> dict[str, str]:
    """The dashboard and all it stands on, as file name and YAML."""
    import yaml
    from superset import db, security_manager
    from superset.commands.dashboard.export import ExportDashboardsCommand
    from superset.models.dashboard import Dashboard
    from superset.utils.core import override_user

    # SQL and long texts as blocks, so that a change shows as the lines that changed.
    class Blocks(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Blocks.add_representer(str, text)
    files: dict[str, str] = {}
    with override_user(security_manager.find_user(username="admin")):
        dashboard = db.session.query(Dashboard).filter_by(slug=SLUG).one()
        for name, content in ExportDashboardsCommand([dashboard.id]).run():
            value = _without_place_and_time(name, yaml.safe_load(content()))
            files[_plain(name)] = yaml.dump(value, Dumper=Blocks, sort_keys=False, allow_unicode=True, width=110)
    return files


def _plain(name: str) -> str:
    """Charts and dashboards carry their number in this Superset: `Score_now_17.yaml`."""
    stem, number = Path(name).stem.rpartition("_")[::2]
    return str(Path(name).with_name(f"{stem}.yaml")) if stem and number.isdigit() else name


def _without_place_and_time(name: str, value: dict[str, Any]) -> dict[str, Any]:
    if name.startswith("databases/"):
        value["sqlalchemy_uri"] = NO_ADDRESS
        value.pop("password", None)
    if name.startswith("datasets/"):
        address = os.environ.get("COMPLIANCE_CONSOLE_URL", "").rstrip("/") or "http://localhost:8080"
        value["sql"] = (value["sql"] or "").replace(address, CONSOLE)
        value["columns"].sort(key=lambda column: str(column["column_name"]))
        value["metrics"].sort(key=lambda metric: str(metric["metric_name"]))
    if name.startswith("charts/"):
        value["params"].pop("datasource", None)  # its number; the import sets it by the dataset's uuid
    if name.startswith("dashboards/"):
        # Lists of charts' numbers, which the page works out itself.
        metadata = value["metadata"]
        for scoped in (metadata.get("global_chart_configuration", {}), *metadata["native_filter_configuration"]):
            scoped.pop("chartsInScope", None)
            scoped.pop("tabsInScope", None)
    if name == "metadata.yaml":
        value |= {"type": "assets", "timestamp": NO_TIME}
    return value


if __name__ == "__main__":
    sys.exit(main())
