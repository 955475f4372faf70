"""What `docker-compose.yaml` says of a service, as Compose would hand it to the container."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from local.environment import ROOT

SERVICES: Final[dict[str, dict[str, Any]]] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))[
    "services"
]
#: ${NAME}, ${NAME:-default}, ${NAME:?message}; $$ is a dollar sign.
_VARIABLE: Final = re.compile(r"\$\$|\$\{([A-Z_][A-Z0-9_]*)(?::([-?])([^}]*))?\}")


def environment(service: str, dotenv: Mapping[str, str]) -> dict[str, str]:
    """The variables of a service, with the values that a team's `.env` gives."""
    given = SERVICES[service].get("environment", {})
    return {name: _filled(str(value), dotenv) for name, value in given.items()}


def command(service: str, dotenv: Mapping[str, str]) -> list[str]:
    """What a service runs."""
    return [_filled(str(word), dotenv) for word in SERVICES[service]["command"]]


def health_check(service: str, dotenv: Mapping[str, str]) -> list[str]:
    """The command that says by its exit code whether a service is well."""
    kind, *words = (_filled(str(word), dotenv) for word in SERVICES[service]["healthcheck"]["test"])
    return ["sh", "-c", words[0]] if kind == "CMD-SHELL" else words


def restarts(service: str) -> bool:
    """Whether a service that ended by itself is started again."""
    return str(SERVICES[service]["restart"]) == "unless-stopped"


def _filled(text: str, dotenv: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if name is None:
            return "$"
        if given := dotenv.get(name, ""):
            return given
        if kind == "?":
            raise KeyError(f"{name}: {rest}")
        return rest or ""

    return _VARIABLE.sub(value, text)
