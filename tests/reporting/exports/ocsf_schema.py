"""Findings beside the official schema of OCSF, as JSON Schema."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator


@cache
def _validator() -> Draft202012Validator:
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

    from bitbucket_compliance.reporting.exports.formats.ocsf import OCSF_VERSION, PROFILES

    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(OCSF_VERSION))
    return Draft202012Validator(schema.get_class_schema("compliance_finding", list(PROFILES)))


def assert_valid_ocsf(finding: dict[str, Any]) -> None:
    """A Compliance Finding, with nothing that the schema does not know."""
    errors = sorted(_validator().iter_errors(finding), key=lambda error: list(error.path))
    assert not errors, [f"{error.json_path}: {error.message[:200]}" for error in errors[:5]]
