"""All DAGs of the pipeline, for one line in a file of a team's folder of DAGs.

``from bitbucket_compliance.airflow_dags import *`` gives each under its id. In the wheel this is the ``__init__.py`` of
the folder that holds the files of ``dags/``.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from airflow.sdk import DAG

_DAGS: Final = {
    dag.dag_id: dag
    for found in iter_modules(__path__)
    for dag in vars(import_module(f"{__name__}.{found.name}")).values()
    if isinstance(dag, DAG)
}
__all__ = sorted(_DAGS)
# Not before all are loaded: each module has the name of its DAG.
globals().update(_DAGS)
