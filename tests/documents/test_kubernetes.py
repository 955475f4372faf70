"""The files for Kubernetes name variables, Secrets and commands that there are, and what the chart makes of them."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
import yaml

from bitbucket_compliance import commands as _commands  # noqa: F401 - registers them
from bitbucket_compliance.commands.command_line import COMMANDS, INSTALLED
from tests.conftest import ROOT

FOLDER = ROOT / "docs/kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "values.yaml").read_text())
OWN = [
    one
    for name in ("upgrade_job.yaml", "webhook_receiver.yaml")
    for one in yaml.safe_load_all((FOLDER / name).read_text())
]
README = (FOLDER / "README.md").read_text()


COMPOSED: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
#: containers where our code connects to something, and the keys of the Secret `compliance` that it needs there
KEYS = {
    "worker": {"postgres", "bitbucket", "vault-key", "webhook-key"},
    "base": {"postgres", "bitbucket", "vault-key", "webhook-key"},
    "api-server": {"postgres", "bitbucket", "vault-key", "webhook-key"},
    "triggerer": {"postgres"},
}


#: pods that are not the chart's: kind, the keys of Secrets that it may know, and its command
OWN_PODS = {
    "compliance-upgrade": ("Job", {"compliance/postgres", "compliance-owner/postgres"}, [INSTALLED, "upgrade"]),
    "compliance-webhook-login": (
        "Job",
        {"compliance/postgres", "compliance-owner/postgres", "compliance-receiver/password"},
        COMPOSED["webhook-login"]["command"],
    ),
    "compliance-webhooks": (
        "Deployment",
        {"compliance-receiver/postgres", "compliance/webhook-key"},
        COMPOSED["webhook-receiver"]["command"],
    ),
}


def own_pods() -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Each object of ours that makes pods, with its pod and its one container."""
    for made in OWN:
        if made["kind"] != "Service":
            pod = made["spec"]["template"]["spec"]
            [one] = pod["containers"]
            yield made, pod, one


def secrets(env: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Which key of which Secret each variable is taken from."""
    references = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in env if "valueFrom" in one}
    return {name: (reference["name"], reference["key"]) for name, reference in references.items()}


def environments() -> list[list[dict[str, Any]]]:
    """What containers get that not all of the chart's get."""
    return [
        *(VALUES["workers"][kind]["env"] for kind in ("celery", "kubernetes")),
        *(VALUES[component].get("env", []) for component in ("apiServer", "triggerer", "scheduler", "dagProcessor")),
        *(one["env"] for _, _, one in own_pods()),
    ]


def test_every_variable_is_one_that_the_project_reads() -> None:
    named = {one["name"] for env in [*environments(), VALUES["env"]] for one in env}
    known = (ROOT / "docker-compose.yaml").read_text()
    assert [name for name in named if not re.search(rf"^ +{name}:", known, re.MULTILINE)] == []


def test_no_secret_stands_in_the_values_and_each_is_told_of() -> None:
    references = {reference for env in environments() for reference in secrets(env).values()}
    told = {name for name, _ in references} | {key for _, key in references}
    told |= {VALUES[name] for name in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName")}
    told.add(VALUES["data"]["metadataSecretName"])
    assert [name for name in told if f"`{name}`" not in README] == []
    assert not {one["name"] for one in VALUES["env"]} & {name for env in environments() for name in secrets(env)}
    assert "secret" not in VALUES, "it puts logins into every container, those that wait for a migration too"


def test_pods_beside_the_charts_know_what_they_need_and_run_what_compose_runs() -> None:
    assert "OWNER" not in (FOLDER / "values.yaml").read_text()
    assert "upgrade" in COMMANDS
    found = {
        made["metadata"]["name"]: (
            made["kind"],
            {"/".join(reference) for reference in secrets(one["env"]).values()},
            one["command"],
        )
        for made, _, one in own_pods()
    }
    assert found == OWN_PODS
    for _, pod, one in own_pods():
        assert one["resources"]["limits"]["memory"] and restricted(pod, one), one["name"]
        assert one["image"] == "{repository}:{tag}".format(**VALUES["images"]["airflow"])
    [deployment, service] = [one for one in OWN if one["kind"] in ("Deployment", "Service")]
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def test_nothing_that_has_to_last_is_written_to_a_pods_disk() -> None:
    places = {one["name"]: one["value"] for one in VALUES["env"]}
    for name in ("COMPLIANCE_EVIDENCE_URL", "COMPLIANCE_EXPORT_TARGET", "COMPLIANCE_DATA_DOCS_URL"):
        assert places[name].startswith("s3://"), name
    assert VALUES["config"]["logging"]["remote_base_log_folder"].startswith("s3://")


def test_people_sign_in_as_with_compose_and_an_ingress_is_not_taken_for_all_of_them() -> None:
    composed, server = COMPOSED["airflow-api-server"], VALUES["apiServer"]
    fab = {name for name in composed["environment"] if name.startswith("AIRFLOW__FAB__")}
    assert fab == {f"AIRFLOW__FAB__{name.upper()}" for name in VALUES["config"]["fab"]}
    assert VALUES["config"]["fab"]["cookie_secure"] == "True"
    assert VALUES["config"]["api"]["base_url"].startswith("https://")
    assert server["args"][-1] == f"exec {' '.join(composed['command'])}"
    [believed] = [one["value"] for one in server["env"] if one["name"] == "FORWARDED_ALLOW_IPS"]
    assert ipaddress.ip_network(believed).is_private


def test_airflow_is_set_up_as_by_compose() -> None:
    """But for what is another there: addresses, and how many tasks at once."""
    composed = COMPOSED["airflow-scheduler"]["environment"]
    for section, settings in VALUES["config"].items():
        for name, value in settings.items():
            if section == "logging" or name in ("base_url", "cookie_secure", "parallelism", "worker_concurrency"):
                continue
            assert composed[f"AIRFLOW__{section.upper()}__{name.upper()}"] == value, name
    workers, core = VALUES["workers"]["celery"], VALUES["config"]["core"]
    assert int(core["parallelism"]) == workers["replicas"] * int(VALUES["config"]["celery"]["worker_concurrency"])


def test_figures_get_the_workspace_as_a_label() -> None:
    mapping = ROOT / "include/bitbucket_compliance/reporting/grafana/statsd_mapping.yaml"
    assert VALUES["statsd"]["extraMappings"] == yaml.safe_load(mapping.read_text())["mappings"]


def restricted(pod: dict[str, Any], one: dict[str, Any]) -> bool:
    """Whether a container keeps to the profile "restricted" of the Pod Security Standards, with a read-only root."""
    context = {**pod["securityContext"], **one["securityContext"]}
    return (
        context["runAsNonRoot"] is True
        and context["runAsUser"] > 0
        and context["seccompProfile"] == {"type": "RuntimeDefault"}
        and context["allowPrivilegeEscalation"] is False
        and context["capabilities"] == {"drop": ["ALL"]}
        and context["readOnlyRootFilesystem"] is True
    )


@dataclass(frozen=True)
class Rendered:
    """What the chart makes of the values."""

    text: str

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        return [one for one in yaml.safe_load_all(self.text) if one]

    def of_kind(self, kind: str, name: str) -> dict[str, Any]:
        [found] = [one for one in self.objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
        return found

    @cached_property
    def configuration(self) -> dict[str, Any]:
        return dict(self.of_kind("ConfigMap", "airflow-config")["data"])

    def pods(self) -> Iterator[dict[str, Any]]:
        for one in self.objects:
            if "template" in one.get("spec", {}):
                yield one["spec"]["template"]["spec"]
        if text := self.configuration.get("pod_template_file.yaml"):
            yield yaml.safe_load(text)["spec"]

    def containers(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each container with its pod."""
        for pod in self.pods():
            for one in [*(pod.get("initContainers") or []), *pod["containers"]]:
                yield pod, one


@pytest.fixture(scope="module", params=["CeleryExecutor", "KubernetesExecutor"])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    helm, chart = shutil.which("helm"), os.environ.get("AIRFLOW_CHART")
    if not (helm and chart):
        pytest.skip(
            "no Helm, or no chart: helm pull apache-airflow/airflow --untar, "
            "then AIRFLOW_CHART=airflow pytest tests/documents/test_kubernetes.py"
        )
    files = ["values.yaml"] + (["kubernetes_executor.yaml"] if request.param == "KubernetesExecutor" else [])
    arguments = [argument for file in files for argument in ("--values", str(FOLDER / file))]
    done = subprocess.run(
        [helm, "template", "airflow", chart, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    made = Rendered(done.stdout)
    assert f"executor = {request.param}\n" in made.configuration["airflow.cfg"]
    return made


def test_each_container_has_the_logins_and_keys_it_needs_and_no_other(rendered: Rendered) -> None:
    compliance = {
        one["name"]: {key for name, key in secrets(one.get("env", [])).values() if name == "compliance"}
        for _, one in rendered.containers()
    }
    assert {name: keys for name, keys in compliance.items() if keys} == {
        name: keys for name, keys in KEYS.items() if name in compliance
    }
    assert {"api-server", "triggerer"} < set(compliance) and {"worker", "base"} & set(compliance)
    assert "OWNER" not in rendered.text and "compliance-owner" not in rendered.text


def test_variables_and_configuration_reach_every_container_that_runs_airflow(rendered: Rendered) -> None:
    ours = {one["name"]: one["value"] for one in VALUES["env"]}
    for _, one in rendered.containers():
        named = [variable["name"] for variable in one.get("env", [])]
        assert len(named) == len(set(named)), one["name"]
        if "AIRFLOW__CORE__FERNET_KEY" not in named:
            assert one["name"] in ("redis", "statsd") or one["name"].endswith("-log-groomer")
            continue
        assert ours.items() <= {variable["name"]: variable.get("value") for variable in one["env"]}.items()
        assert "/opt/airflow/airflow.cfg" in {mount["mountPath"] for mount in one["volumeMounts"]}, one["name"]
        assert one["image"] == "registry.example.com/airflow-compliance:1"


def test_every_container_has_a_size_and_no_privilege(rendered: Rendered) -> None:
    for pod, one in rendered.containers():
        assert one["resources"]["limits"]["memory"] and one["resources"]["requests"]["memory"], one["name"]
        assert restricted(pod, one), one["name"]
        assert one["name"] in ("redis", "statsd") or VALUES["volumeMounts"][0] in one["volumeMounts"], one["name"]
        named = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in one["volumeMounts"]} <= named, one["name"]
    assert "persistentVolumeClaim" not in rendered.text and "volumeClaimTemplates" not in rendered.text


def test_nobody_gets_in_by_a_password_that_everybody_knows(rendered: Rendered) -> None:
    """The chart's own administrator is `admin`, with the password `admin`."""
    assert "users create" not in rendered.text
    assert "airflow users create --role Admin" in " ".join(README.split())


def test_only_who_starts_pods_for_tasks_may_ask_the_cluster(rendered: Rendered) -> None:
    bound = [one["metadata"]["name"] for one in rendered.objects if one["kind"] == "RoleBinding"]
    starts_pods = "executor = KubernetesExecutor" in rendered.configuration["airflow.cfg"]
    assert bound == (["airflow-pod-launcher-rolebinding"] if starts_pods else [])
