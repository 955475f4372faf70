"""The contract files: what each reading role sees as an Open Data Contract Standard document, written and read back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bitbucket_compliance.core.database import PACKAGE
from tests.documents.contract import quality
from tests.documents.contract.catalogue import READERS, SCHEMA, Column, Function, Published, Relation

READER, PEOPLE_READER = READERS
#: By role: the file, its id, its name, and what is in it. Each can be checked by a login that has this role alone.
FILES: Mapping[str, Path] = {
    READER: PACKAGE / "reporting" / "compliance.odcs.yaml",
    PEOPLE_READER: PACKAGE / "reporting" / "compliance_people.odcs.yaml",
}
_ABOUT: Mapping[str, tuple[str, str, str]] = {
    READER: (
        "bitbucket-compliance",
        "Bitbucket compliance results",
        "Whether repositories, members and workspaces of Bitbucket Cloud pass the security tests, since when, and why.",
    ),
    PEOPLE_READER: (
        "bitbucket-compliance-people",
        "Bitbucket compliance, about people",
        "What a roster says of the members of a workspace, and what was decided about their access.",
    ),
}
FIRST_VERSION = "1.0.0"
SERVER = "compliance"

_HEADER = """\
# Written by `make contract` from a migrated database: change tables, views and comments there, never this file.
"""
_LOGICAL_TYPES: Mapping[str, str] = {
    "bigint": "integer",
    "boolean": "boolean",
    "date": "date",
    "integer": "integer",
    "jsonb": "object",
    "numeric": "number",
    "timestamp with time zone": "timestamp",
}


@dataclass(frozen=True)
class Contract:
    """The contract file's content that matters to versions.

    Attributes:
        digest: of the schema that the version was given to, as the file states it.
        role: the reading role that sees exactly this.
    """

    version: str
    published: Published
    digest: str
    role: str = READER

    @property
    def file(self) -> Path:
        """Where it stands."""
        return FILES[self.role]


def load(role: str) -> Contract:
    """The contract of a role as its file states it."""
    return parse(FILES[role].read_text(encoding="utf-8"))


def render(published: Published, version: str, role: str = READER) -> str:
    """The whole file of a role, which sees what is published here."""
    key, name, purpose = _ABOUT[role]
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": key,
        "name": name,
        "version": version,
        "status": "active",
        "domain": "security-compliance",
        "description": {
            "purpose": purpose,
            "usage": f"Read-only, through the role {role}. docs/queries.md answers the usual questions.",
            "limitations": "A verdict says what Bitbucket's public API and accepted evidence show. What could not be "
            "read is null or pending, never false. docs/verdicts.md says what each test can't see.",
        },
        "servers": [
            {
                "server": SERVER,
                "type": "postgres",
                "description": "Whichever database the Airflow connection compliance_postgres names.",
                "host": "localhost",
                "port": 5432,
                "database": "compliance",
                "schema": SCHEMA,
            }
        ],
        "schema": [_relation(relation) for relation in published.relations],
        "customProperties": [
            {"property": "role", "value": role},
            {"property": "schemaDigest", "value": published.digest},
            {"property": "functions", "value": [_function(function) for function in published.functions]},
        ],
    }
    return _HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def parse(text: str) -> Contract:
    """Read a contract file's text back."""
    document = yaml.safe_load(text)
    custom = {entry["property"]: entry["value"] for entry in document["customProperties"]}
    relations = tuple(
        Relation(
            name=one["name"],
            kind=one["physicalType"],
            description=one["description"],
            readers=tuple(one["customProperties"][0]["value"]),
            columns=tuple(_read_columns(one)),
        )
        for one in document["schema"]
    )
    functions = tuple(Function(**{**one, "readers": tuple(one["readers"])}) for one in custom["functions"])
    return Contract(
        document["version"], Published(relations, functions), custom["schemaDigest"], custom.get("role", READER)
    )


def _relation(relation: Relation) -> dict[str, Any]:
    return {
        "name": relation.name,
        "physicalName": relation.name,
        "logicalType": "object",
        "physicalType": relation.kind,
        "description": relation.description,
        "properties": [_property(relation.name, column) for column in relation.columns],
        **_with_quality(quality.of_relation(relation)),
        "customProperties": [{"property": "readableBy", "value": list(relation.readers)}],
    }


def _property(relation: str, column: Column) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": column.name,
        **_types(column.type),
        "description": column.description,
        "required": column.required,
    }
    key = {"primaryKey": True, "primaryKeyPosition": column.key} if column.key else {}
    return shown | key | _with_quality(quality.of_column(relation, column))


def _with_quality(rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"quality": rules} if rules else {}


def _types(physical: str) -> dict[str, Any]:
    if physical.endswith("[]"):
        logical = _LOGICAL_TYPES.get(physical.removesuffix("[]"), "string")
        return {"logicalType": "array", "physicalType": physical, "items": {"logicalType": logical}}
    return {"logicalType": _LOGICAL_TYPES.get(physical, "string"), "physicalType": physical}


def _function(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        "arguments": function.arguments,
        "returns": function.returns,
        "description": function.description,
        "readers": list(function.readers),
    }


def _read_columns(relation: Mapping[str, Any]) -> Iterator[Column]:
    for one in relation["properties"]:
        yield Column(
            one["name"], one["physicalType"], one["description"], one["required"], one.get("primaryKeyPosition", 0)
        )
