"""The statements behind the charts of the dashboard, put together from its assets as Superset puts them together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ASSETS = Path(__file__).resolve().parents[2] / "include/bitbucket_compliance/reporting/dashboards/assets"


def charts(workspace: str) -> Mapping[str, str]:
    """By the chart's title, its statement with the dashboard's filter set to one workspace."""
    datasets = {one["uuid"]: one for one in _read("datasets")}
    return {
        chart["slice_name"]: _statement(chart["params"], datasets[chart["dataset_uuid"]], workspace)
        for chart in _read("charts")
        if "dataset_uuid" in chart
    }


def _read(folder: str) -> Iterator[dict[str, Any]]:
    for path in sorted((ASSETS / folder).rglob("*.yaml")):
        yield yaml.safe_load(path.read_text(encoding="utf-8"))


def _statement(params: Mapping[str, Any], dataset: Mapping[str, Any], workspace: str) -> str:
    known = {metric["metric_name"]: metric["expression"] for metric in dataset["metrics"]}
    metrics = [_metric(one, known) for one in (*(params.get("metrics") or ()), params.get("metric")) if one]
    groups = [_column(one) for one in (params.get("x_axis"), *(params.get("groupby") or ())) if one]
    raw = [_column(one) for one in params.get("all_columns") or ()]
    where = [f"({one['sqlExpression']})" for one in params.get("adhoc_filters") or () if one.get("sqlExpression")]
    where.append(f"workspace IN ('{workspace}')")
    parts = [f"SELECT {', '.join([*groups, *raw, *metrics])}", f"FROM ({dataset['sql']}) AS virtual_table"]
    parts.append(f"WHERE {' AND '.join(where)}")
    if groups and metrics:
        parts.append(f"GROUP BY {', '.join(groups)}")
    if order := [_order(one) for one in params.get("order_by_cols") or ()]:
        parts.append(f"ORDER BY {', '.join(order)}")
    elif metrics:
        parts.append(f"ORDER BY {len(groups) + 1} DESC")
    parts.append(f"LIMIT {params.get('row_limit') or 10_000}")
    return "\n".join(parts)


def _metric(metric: str | Mapping[str, Any], known: Mapping[str, str]) -> str:
    return known[metric] if isinstance(metric, str) else str(metric["sqlExpression"])


def _order(pair: str) -> str:
    """A column and whether it ascends, which Superset keeps as JSON."""
    column, ascends = json.loads(pair)
    return f"{column} {'ASC' if ascends else 'DESC'}"


def _column(column: str | Mapping[str, Any]) -> str:
    return column if isinstance(column, str) else str(column["sqlExpression"])
