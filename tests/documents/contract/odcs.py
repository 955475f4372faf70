"""The contract file: the published schema as an Open Data Contract Standard document, written and read back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bitbucket_compliance.core.database import PACKAGE
from tests.documents.contract.catalogue import SCHEMA, Column, Function, Published, Relation

FILE = PACKAGE / "reporting" / "compliance.odcs.yaml"
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
    """

    version: str
    published: Published
    digest: str


def render(published: Published, version: str) -> str:
    """The whole file."""
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "bitbucket-compliance",
        "name": "Bitbucket compliance results",
        "version": version,
        "status": "active",
        "domain": "security-compliance",
        "description": {
            "purpose": "Whether repositories, members and workspaces of Bitbucket Cloud pass the security tests, "
            "since when, and why.",
            "usage": "Read-only, through the role compliance_reader; employment through compliance_people_reader. "
            "docs/queries.md answers the usual questions.",
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
    return Contract(document["version"], Published(relations, functions), custom["schemaDigest"])


def _relation(relation: Relation) -> dict[str, Any]:
    return {
        "name": relation.name,
        "physicalName": relation.name,
        "logicalType": "object",
        "physicalType": relation.kind,
        "description": relation.description,
        "properties": [_property(column) for column in relation.columns],
        "customProperties": [{"property": "readableBy", "value": list(relation.readers)}],
    }


def _property(column: Column) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": column.name,
        **_types(column.type),
        "description": column.description,
        "required": column.required,
    }
    return shown | ({"primaryKey": True, "primaryKeyPosition": column.key} if column.key else {})


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
