"""`docker-compose.yaml`: valid by the specification, no secret of its own, nothing open to the network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bitbucket_compliance.database.receiver_login import LOGIN as RECEIVER_LOGIN
from bitbucket_compliance.reporting.dashboards.login import LOGIN
from local.environment import ROOT
from local.postgres import RUNNING_ROLE
from local.processes import free_port
from tests.server_lock import IMAGE_FOLDERS, LOCKS

COMPOSE = ROOT / "docker-compose.yaml"
SCHEMA = Path(__file__).parent / "compose_spec" / "compose-spec.json"
TEXT = COMPOSE.read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]

# ${NAME}, ${NAME:-default}, ${NAME:?message}; $$ is a dollar sign.
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_][A-Z0-9_]*)(?::([-?])([^}]*))?\}")
SECRET = re.compile(r"PASSWORD|SECRET|FERNET|_KEY$|TOKEN")


def _documented() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))


def _commands() -> list[list[str]]:
    """Every `airflow …` and `python -m …` that a service runs, or its health check."""
    found: set[tuple[str, ...]] = set()
    for service in SERVICES.values():
        for words in (service.get("command", []), service.get("healthcheck", {}).get("test", [])):
            for line in [" ".join(words), *(line for word in words for line in word.splitlines())]:
                if match := re.search(r"(?:^|CMD |CMD-SHELL )(airflow(?: [a-z][a-z-]*)+)", line):
                    found.add(tuple(match[1].split()))
                if match := re.search(r"(?:^|CMD )python -m ([a-z_.]+)", line):
                    found.add(("python", "-m", match[1]))
    return sorted(map(list, found))


def test_it_is_valid_by_the_compose_specification() -> None:
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(DOCUMENT)


def test_the_schema_would_notice_a_mistake() -> None:
    broken = {"services": {"a": {"image": "x", "comand": "typo"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(broken)


def test_every_variable_is_documented_and_no_other() -> None:
    assert {match[1] for match in VARIABLE.finditer(TEXT)} == set(_documented())


def test_secrets_have_no_default_and_are_empty_in_the_example() -> None:
    secrets = {match[1]: (match[2], match[3]) for match in VARIABLE.finditer(TEXT) if SECRET.search(match[1])}
    optional = {name for name, (kind, default) in secrets.items() if (kind, default) == ("-", "")}
    assert {name for name, (kind, _) in secrets.items() if kind == "?"} == secrets.keys() - optional
    # Whoever wants no dashboard need not invent passwords for it; its own containers insist on them.
    assert optional == {
        "SUPERSET_SECRET_KEY",
        "SUPERSET_ADMIN_PASSWORD",
        "SUPERSET_VIEWER_PASSWORD",
        "COMPLIANCE_DASHBOARD_PASSWORD",
        # Without webhooks nobody needs the receiver's, nor its key.
        "COMPLIANCE_RECEIVER_PASSWORD",
        "COMPLIANCE_WEBHOOK_KEY",
        "AIRFLOW_SECRETS_BACKEND",
        "AIRFLOW_SECRETS_BACKEND_KWARGS",
    }
    assert {name: value for name, value in _documented().items() if SECRET.search(name) and value} == {}


def test_no_password_is_written_into_the_file() -> None:
    def values(service: dict[str, Any]) -> dict[str, str]:
        return {name: str(value) for name, value in service.get("environment", {}).items()}

    for name, service in SERVICES.items():
        for variable, value in values(service).items():
            if SECRET.search(variable) and not value.startswith("/"):
                assert "${" in value, f"{name}: {variable}"


def test_defaults_in_the_file_and_in_the_example_agree() -> None:
    defaults = {match[1]: match[3] for match in VARIABLE.finditer(TEXT) if match[2] == "-"}
    assert {name: _documented()[name] for name in defaults} == defaults


def test_every_port_is_bound_to_loopback() -> None:
    ports = [str(port) for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
    assert not [name for name, service in SERVICES.items() if service.get("network_mode") == "host"]


def test_every_service_has_a_health_check_or_ends_by_itself() -> None:
    for name, service in SERVICES.items():
        assert "healthcheck" in service or service["restart"] == "no", name


def test_every_dependency_exists_and_can_fulfil_its_condition() -> None:
    for name, service in SERVICES.items():
        for other, wanted in service.get("depends_on", {}).items():
            assert other in SERVICES, name
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other}"


def test_every_service_is_hardened_and_ends_somewhere() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "pids_limit", "cpus"} <= service.keys(), name
        assert not {"privileged", "devices", "pid", "ipc", "userns_mode"} & service.keys(), name


def test_only_the_databases_get_capabilities_back_and_only_those_of_their_start() -> None:
    given = {name: service["cap_add"] for name, service in SERVICES.items() if "cap_add" in service}
    needed = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]
    assert given == {"postgres-metadata": needed, "postgres-data": needed}


def test_what_is_written_lies_in_memory_or_in_a_volume_of_the_services_that_use_it() -> None:
    """Beside the databases' and the dashboard's own: who reads and writes what the pipeline keeps."""
    used = {name: sorted(map(str, service.get("volumes", []))) for name, service in SERVICES.items()}
    assert used["airflow-api-server"] == [
        "${IMPORT_FOLDER:-./imports}:/opt/pipeline/imports:ro",
        "airflow-exports:/opt/airflow/exports",
        "airflow-logs:/opt/airflow/logs:ro",
        "data-docs:/opt/airflow/data_docs:ro",
        "evidence:/opt/airflow/evidence",
    ]
    assert used["airflow-dag-processor"] == used["airflow-triggerer"] == ["airflow-logs:/opt/airflow/logs"]
    assert [name for name, volumes in used.items() if "airflow-exports:/opt/airflow/exports" in volumes] == [
        "airflow-api-server",
        "airflow-scheduler",
        "airflow-worker",
    ]
    assert used["airflow-worker"] == used["airflow-scheduler"], "either runs the tasks"
    for name in ("airflow-init", "webhook-receiver", "webhook-login", "superset-login"):
        assert used[name] == [], name


def test_a_text_of_compose_is_given_to_no_read_only_service() -> None:
    """Docker Compose copies such a text into the container, which it can't where the root is read-only."""
    assert {name for name, config in DOCUMENT["configs"].items() if "file" not in config} == set()
    assert all((ROOT / config["file"]).is_file() for config in DOCUMENT["configs"].values())


def _reached_from(service: str) -> set[str]:
    networks = set(SERVICES[service].get("networks", ["default"]))
    return {name for name, other in SERVICES.items() if networks & set(other.get("networks", ["default"]))} - {service}


@pytest.mark.parametrize("exposed", ["webhook-receiver", "superset"])
def test_what_people_or_the_internet_reach_reaches_the_datas_postgres_alone(exposed: str) -> None:
    assert _reached_from(exposed) == {"postgres-data"}


def test_airflows_metadata_is_reached_by_airflow_alone_and_reaches_nothing() -> None:
    assert _reached_from("postgres-metadata") == {
        *("airflow-init", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
    }
    assert DOCUMENT["networks"]["metadata"] == {"internal": True}
    assert "ports" not in SERVICES["postgres-metadata"]


def test_workers_are_as_many_as_wanted_and_know_nothing_of_airflows_metadata() -> None:
    worker = SERVICES["airflow-worker"]
    assert worker["deploy"] == {"replicas": "${AIRFLOW_WORKERS:-2}"}
    assert "ports" not in worker and "container_name" not in worker, "which only one of them could have"
    assert "METADATA_POSTGRES_PASSWORD" not in json.dumps(worker)
    assert "postgres-metadata" not in _reached_from("airflow-worker")


def test_the_queue_is_reached_by_scheduler_and_workers_alone_and_has_a_password() -> None:
    assert _reached_from("redis") == {"airflow-scheduler", "airflow-worker"}
    assert DOCUMENT["networks"]["queue"] == {"internal": True}
    program = SERVICES["redis"]["command"][-1]
    assert "requirepass" in program and "${" not in program, "it would stand in the list of processes"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_the_queue_starts_as_it_is_written_and_asks_for_the_password(tmp_path: Path) -> None:
    port = free_port()
    program = SERVICES["redis"]["command"][-1].replace("$$", "$").replace("/tmp/", f"{tmp_path}/")  # noqa: S108
    environment = os.environ | {"REDISCLI_AUTH": "a-password"}
    start = ["sh", "-euc", f"{program.strip()} --port {port}"]
    server = subprocess.Popen(start, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    try:
        ask = ["redis-cli", "-p", str(port), "ping"]
        deadline = time.monotonic() + 20
        while (told := _said(ask, environment)) != "PONG" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert told == "PONG"
        assert _said(ask, {"PATH": os.environ["PATH"]}).startswith("NOAUTH")
    finally:
        server.terminate()
        server.wait(10)


def _said(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def test_images_are_named_by_variables_that_can_hold_a_digest() -> None:
    images = [str(service.get("image", "")) for service in SERVICES.values()]
    recipes = [str(service["build"]["dockerfile_inline"]) for service in SERVICES.values() if "build" in service]
    bases = [line.removeprefix("FROM ") for recipe in recipes for line in recipe.splitlines() if "FROM " in line]
    foreign = [image for image in images if not image.startswith("bitbucket-compliance")] + bases
    assert foreign and all(image.startswith("${") for image in foreign)


def test_metadata_and_data_have_servers_volumes_and_passwords_of_their_own() -> None:
    metadata, data = SERVICES["postgres-metadata"], SERVICES["postgres-data"]
    assert {volume.split(":")[0] for volume in metadata["volumes"]}.isdisjoint(
        volume.split(":")[0] for volume in data["volumes"]
    )
    assert metadata["environment"]["POSTGRES_PASSWORD"] != data["environment"]["POSTGRES_PASSWORD"]


def test_the_pipelines_login_is_no_superuser() -> None:
    connection = json.loads(SERVICES["airflow-scheduler"]["environment"]["AIRFLOW_CONN_COMPLIANCE_POSTGRES"])
    script = (ROOT / DOCUMENT["configs"]["compliance-login"]["file"]).read_text(encoding="utf-8")
    assert connection["login"] == RUNNING_ROLE and f"{RUNNING_ROLE} " not in script, "an upgrade makes it"
    assert "CREATE ROLE compliance LOGIN CREATEROLE PASSWORD :'password'" in script
    assert "SUPERUSER" not in script


def test_the_login_that_migrates_is_known_to_what_ends_alone() -> None:
    knows = {name for name, service in SERVICES.items() if "COMPLIANCE_OWNER_POSTGRES_PASSWORD" in json.dumps(service)}
    assert knows == {"postgres-data", "airflow-init", "webhook-login", "superset-login"}
    assert {SERVICES[name]["restart"] for name in knows - {"postgres-data"}} == {"no"}


def test_sandbox_dashboard_and_receiver_run_only_where_they_are_asked_for() -> None:
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {
        "sandbox": ["demo"],
        "superset": ["dashboard"],
        "superset-login": ["dashboard"],
        "webhook-receiver": ["webhooks"],
        "webhook-login": ["webhooks"],
    }


def test_the_receiver_has_a_login_of_its_own_and_of_the_secrets_only_the_key_of_webhook_secrets() -> None:
    service = SERVICES["webhook-receiver"]
    connection = json.loads(service["environment"]["AIRFLOW_CONN_COMPLIANCE_POSTGRES"])
    assert connection["login"] == RECEIVER_LOGIN
    used = {match[1] for value in service["environment"].values() for match in VARIABLE.finditer(value)}
    assert {name for name in used if SECRET.search(name)} == {"COMPLIANCE_WEBHOOK_KEY", "COMPLIANCE_RECEIVER_PASSWORD"}
    assert "volumes" not in service


def test_the_dashboard_has_a_login_of_its_own_and_none_of_the_pipelines_secrets() -> None:
    environment = SERVICES["superset"]["environment"]
    assert environment["COMPLIANCE_DASHBOARD_POSTGRES"].startswith(f"postgresql://{LOGIN}:")
    used = {match[1] for value in environment.values() for match in VARIABLE.finditer(value)}
    others = {match[1] for match in VARIABLE.finditer(json.dumps(SERVICES["airflow-scheduler"]))}
    assert {name for name in used if SECRET.search(name)}.isdisjoint(others)


@pytest.mark.parametrize("empty", ["SUPERSET_SECRET_KEY", "SUPERSET_ADMIN_PASSWORD"])
def test_the_dashboard_refuses_to_start_without_its_secrets(empty: str) -> None:
    environment = SERVICES["superset"]["environment"] | {empty: ""}
    program = [
        sys.executable,
        str(ROOT / "include/bitbucket_compliance/reporting/dashboards/prepare.py"),
    ]
    done = subprocess.run(program, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert empty in done.stderr and len(done.stderr.splitlines()) == 1


def _copied(service: str) -> set[str]:
    """What an image takes of the project, where no variable is set."""
    recipe = VARIABLE.sub(lambda match: match[3], SERVICES[service]["build"]["dockerfile_inline"])
    return set(re.findall(r"^COPY (\S+)", recipe, re.MULTILINE))


@pytest.mark.parametrize("service", ["airflow-scheduler", "superset"])
def test_the_image_is_built_from_the_lock_and_files_that_exist(service: str) -> None:
    recipe = SERVICES[service]["build"]["dockerfile_inline"]
    installs = re.findall(r"^RUN pip install (.+) -r \S+$", recipe, re.MULTILINE)
    assert set(installs) == {"--no-cache-dir --no-deps --require-hashes"}
    assert "-r requirements.txt" in recipe
    for source in _copied(service):
        assert (ROOT / source).exists(), source


def test_a_servers_image_holds_neither_the_commands_of_one_machine_nor_the_sandbox() -> None:
    assert _copied("airflow-scheduler") == {*LOCKS, *IMAGE_FOLDERS}
    sandbox = SERVICES["sandbox"]
    assert sandbox["volumes"] == ["./include/sandbox:/opt/pipeline/include/sandbox:ro"]
    others = [str(service.get("volumes", [])) for service in SERVICES.values() if service is not sandbox]
    assert not [volumes for volumes in others if "/opt/pipeline/include" in volumes]


@pytest.mark.slow
@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_every_command_exists(command: list[str], tmp_path: Path) -> None:
    if "celery" in command:
        pytest.skip("Celery is in the image alone: make test-server-lock installs its lock and asks for this command")
    program = [sys.executable, "-m", "airflow", *command[1:]] if command[0] == "airflow" else command
    program = [sys.executable if word == "python" else word for word in program]
    done = subprocess.run(
        [*program, "--help"],
        cwd=ROOT,
        env=os.environ
        | {"PYTHONPATH": f"{ROOT / 'include'}{os.pathsep}{ROOT / 'plugins'}", "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()


def test_the_commands_were_found() -> None:
    assert ["airflow", "db", "migrate"] in _commands()
    assert ["airflow", "jobs", "check"] in _commands()
    assert ["python", "-m", "bitbucket_compliance"] in _commands()
    assert len(_commands()) >= 7
