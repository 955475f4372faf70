"""Make Superset ready: its tables, its roles, its logins, and the dashboard of `assets/`.

Run in Superset's own environment before each start: `python prepare.py`. Safe to run again: it brings the
logins and the address of the results up to date. The dashboard is imported the first time and whenever its
files changed; until then what somebody changed in the browser stays. What others made is left alone.

In, from the environment, beside what superset_config.py reads:
`COMPLIANCE_DASHBOARD_POSTGRES` address of the results, with a login that has the role compliance_reader only;
`SUPERSET_HOME`                 folder that remembers which files were imported;
`SUPERSET_ADMIN_PASSWORD`       password of the login `admin`;
`SUPERSET_VIEWER_PASSWORD`      password of the login `viewer`, which looks and changes nothing; empty: no such login;
`COMPLIANCE_CONSOLE_URL`        where a browser finds Airflow, for links to the console; empty: http://localhost:8080.

Out: exit code 0, or 1 with one line on standard error.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from typing import Any, Final

ASSETS: Final = Path(__file__).resolve().parent / "assets"
DATABASE_FILE: Final = "databases/Compliance.yaml"
#: stands in the files for the address of Airflow
CONSOLE: Final = "{console}"
VIEWER_ROLE: Final = "Compliance viewer"
# What Superset's own role for readers may write of what others see.
NOT_FOR_VIEWERS: Final = ("Chart", "Dashboard", "Tag", "Theme", "UserRegistrationsRestAPI")
REQUIRED: Final = (
    "COMPLIANCE_DASHBOARD_POSTGRES",
    "SUPERSET_ADMIN_PASSWORD",
    "SUPERSET_HOME",
    "SUPERSET_METADATA_URI",
    "SUPERSET_SECRET_KEY",
)


def main() -> int:
    """Prepare; the exit code."""
    missing = [name for name in REQUIRED if not os.environ.get(name)]
    if missing:
        print(f"error: the dashboard needs {' and '.join(missing)}: set it and start again", file=sys.stderr)
        return 1
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        _create_tables()
        _create_roles()
        admin = _login("admin", "Admin", os.environ["SUPERSET_ADMIN_PASSWORD"])
        _take_assets(admin)
        _let_viewers_see()
        if os.environ.get("SUPERSET_VIEWER_PASSWORD"):
            _login("viewer", VIEWER_ROLE, os.environ["SUPERSET_VIEWER_PASSWORD"])
    return 0


def console_url() -> str:
    """Where a browser finds Airflow and so the console.

    Raises SystemExit where COMPLIANCE_CONSOLE_URL is no plain address: it stands in the SQL of a dataset.
    """
    url = os.environ.get("COMPLIANCE_CONSOLE_URL", "").rstrip("/") or "http://localhost:8080"
    if not re.fullmatch(r"https?://[A-Za-z0-9.:/_\[\]~-]+", url):
        raise SystemExit("error: COMPLIANCE_CONSOLE_URL: write https://airflow.example.com")
    return url


def assets_at(address: str) -> dict[str, str]:
    """The asset files by name, with the addresses of the results and of Airflow filled in: no file names them."""
    import yaml

    # In order, so that charts get the same numbers everywhere.
    paths = sorted(ASSETS.rglob("*.yaml"))
    console = console_url()
    contents = {
        path.relative_to(ASSETS).as_posix(): path.read_text("utf-8").replace(CONSOLE, console) for path in paths
    }
    database = yaml.safe_load(contents[DATABASE_FILE])
    database["sqlalchemy_uri"] = _sqlalchemy_address(address)
    contents[DATABASE_FILE] = yaml.safe_dump(database, sort_keys=False)
    return contents


def _sqlalchemy_address(address: str) -> str:
    """The address for SQLAlchemy, with the driver of this environment."""
    scheme, separator, rest = address.partition("://")
    if scheme not in ("postgres", "postgresql") or not separator:
        raise SystemExit("error: COMPLIANCE_DASHBOARD_POSTGRES: write postgresql://user:password@host:port/database")
    return f"postgresql+psycopg2://{rest}"


def _create_tables() -> None:
    from flask_migrate import upgrade

    upgrade()


def _create_roles() -> None:
    from superset import appbuilder, security_manager

    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()


def _login(name: str, role_name: str, password: str) -> Any:
    """The login, made or brought up to date; its roles are its administrator's affair once it is there."""
    from superset import security_manager

    user = security_manager.find_user(username=name)
    if user is None:
        role = security_manager.find_role(role_name)
        # Superset wants names and an address; nothing is sent anywhere.
        user = security_manager.add_user(name, name.capitalize(), "login", f"{name}@localhost", role, password=password)
        if not user:
            raise SystemExit(f"error: Superset could not make the login {name}")
    else:
        security_manager.reset_password(user.id, password)
    return user


def _take_assets(admin: Any) -> None:
    """Import `assets/` as the administrator: what has the same uuid is replaced.

    Where the files are those of last time, only the address of the results is brought up to date.
    """
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.utils.core import override_user

    contents = assets_at(os.environ["COMPLIANCE_DASHBOARD_POSTGRES"])
    imported, now = Path(os.environ["SUPERSET_HOME"]) / "assets.sha256", _checksum()
    if imported.exists() and imported.read_text() == now:
        contents = {name: contents[name] for name in ("metadata.yaml", DATABASE_FILE)}
    with override_user(admin):
        ImportAssetsCommand(contents).run()
    imported.write_text(now)


def _checksum() -> str:
    """Of all asset files, and of the address of the console."""
    digest = hashlib.sha256(console_url().encode())
    for path in sorted(ASSETS.rglob("*.yaml")):
        digest.update(f"{path.relative_to(ASSETS)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _let_viewers_see() -> None:
    """A role that looks at charts of the compliance database, and changes and asks nothing else."""
    import yaml
    from superset import db, security_manager
    from superset.models.core import Database

    uuid = yaml.safe_load((ASSETS / DATABASE_FILE).read_text("utf-8"))["uuid"]
    database = db.session.query(Database).filter_by(uuid=uuid).one()
    role = security_manager.add_role(VIEWER_ROLE)
    seen = security_manager.add_permission_view_menu("database_access", database.perm)
    role.permissions = [*filter(_only_reads, security_manager.find_role("Gamma").permissions), seen]
    db.session.commit()


def _only_reads(held: Any) -> bool:
    writes = held.permission.name.startswith(("can_write", "can_put", "can_delete", "can_add", "can_edit", "can_bulk"))
    return not (writes and held.view_menu.name in NOT_FOR_VIEWERS)


if __name__ == "__main__":
    sys.exit(main())
