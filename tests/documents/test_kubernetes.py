"""The files for Kubernetes name variables, Secrets and commands that there are."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import yaml

from bitbucket_compliance import commands as _commands  # noqa: F401 - registers them
from bitbucket_compliance.commands.command_line import COMMANDS, INSTALLED
from tests.conftest import ROOT

FOLDER = ROOT / "docs/kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "values.yaml").read_text())
JOB: dict[str, Any] = yaml.safe_load((FOLDER / "upgrade_job.yaml").read_text())
README = (FOLDER / "README.md").read_text()


def container() -> dict[str, Any]:
    [only] = JOB["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_every_variable_is_one_that_the_project_reads() -> None:
    named = [one["envName"] for one in VALUES["secret"]] + [one["name"] for one in VALUES["env"] + container()["env"]]
    known = (ROOT / "docker-compose.yaml").read_text()
    assert [name for name in named if not re.search(rf"^ +{name}:", known, re.MULTILINE)] == []
    assert len({one["envName"] for one in VALUES["secret"]}) == len(VALUES["secret"])


def test_no_secret_stands_in_the_values_and_each_is_told_of() -> None:
    secrets = {one["secretName"] for one in VALUES["secret"]}
    secrets |= {one["valueFrom"]["secretKeyRef"]["name"] for one in container()["env"]}
    secrets |= {VALUES[name] for name in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName")}
    secrets.add(VALUES["data"]["metadataSecretName"])
    assert [name for name in secrets if f"`{name}`" not in README] == []
    assert not {one["name"] for one in VALUES["env"]} & {"COMPLIANCE_VAULT_KEY", "COMPLIANCE_WEBHOOK_KEY"}


def test_the_login_that_migrates_is_for_the_job_alone() -> None:
    assert "OWNER" not in (FOLDER / "values.yaml").read_text()
    program, command = container()["command"]
    assert program == INSTALLED and command in COMMANDS


def test_nothing_that_has_to_last_is_written_to_a_pods_disk_and_every_pod_has_a_size() -> None:
    places = {one["name"]: one["value"] for one in VALUES["env"]}
    for name in ("COMPLIANCE_EVIDENCE_URL", "COMPLIANCE_EXPORT_TARGET", "COMPLIANCE_DATA_DOCS_URL"):
        assert places[name].startswith("s3://"), name
    for pod in ("workers", "scheduler", "dagProcessor", "triggerer", "apiServer"):
        assert VALUES[pod]["resources"]["limits"]["memory"], pod


def test_people_sign_in_as_with_compose_and_an_ingress_is_not_taken_for_all_of_them() -> None:
    composed = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]["airflow-api-server"]
    fab = {name for name in composed["environment"] if name.startswith("AIRFLOW__FAB__")}
    env = {one["name"]: one["value"] for one in VALUES["env"]}
    assert fab == {f"AIRFLOW__FAB__{name.upper()}" for name in VALUES["config"]["fab"]} | {
        "AIRFLOW__FAB__COOKIE_SECURE"
    }
    assert env["AIRFLOW__FAB__COOKIE_SECURE"] == "True" and env["AIRFLOW__API__BASE_URL"].startswith("https://")
    assert VALUES["apiServer"]["args"][-1] == f"exec {' '.join(composed['command'])}"
    assert ipaddress.ip_network(env["FORWARDED_ALLOW_IPS"]).is_private


def test_airflow_is_configured_as_with_compose() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    composed = services["airflow-scheduler"]["environment"]
    for section, settings in VALUES["config"].items():
        for name, value in settings.items():
            assert composed[f"AIRFLOW__{section.upper()}__{name.upper()}"] == value, name
