"""Who may do what: four permissions, decided by Airflow's own auth manager.

Reading goes with reading the DAG ``bitbucket_compliance``, deciding with editing it, connecting with editing the
connections to Bitbucket, all of them, making audit packages with triggering the DAG ``audit_package``. What lists
people is for deciders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import (
    ConnectionDetails,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import get_user
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Request, status

from bitbucket_compliance.core.bitbucket import connection_ids
from bitbucket_compliance.core.persons import AIRFLOW, person

DAG_ID = "bitbucket_compliance"
AUDIT_DAG_ID = "audit_package"
NO_LOGINS = (
    "Airflow runs without logins here (simple_auth_manager_all_admins), so nobody could tell who decided: "
    "give Airflow real logins first"
)


@dataclass(frozen=True)
class Person:
    """Who is signed in.

    Attributes:
        name: the login, as Airflow shows it.
    """

    name: str

    @property
    def id(self) -> str:
        """As decisions and the audit trail keep it; see ``core.persons``.

        Raises:
            PersonUnclear: the login can't be told from another one.
        """
        return person(AIRFLOW, self.name)


def auth_manager() -> BaseAuthManager[Any]:
    """The auth manager of the API server; the console's own app has none in its state."""
    return get_auth_manager()


def whoever_asks(request: Request, user: Annotated[BaseUser, Depends(get_user)]) -> BaseUser:
    """Whose token the request carries; noted on it, so that an error's page can say who is signed in."""
    request.state.person = signed_in(user)
    return user


User = Annotated[BaseUser, Depends(whoever_asks)]
Manager = Annotated[BaseAuthManager[Any], Depends(auth_manager)]


def signed_in(user: User) -> Person:
    """Whoever has a valid token; 401 otherwise."""
    return Person(user.get_name() or str(user.get_id()))


def reader(user: User, manager: Manager) -> Person:
    """May see every page."""
    if not manager.is_authorized_dag(method="GET", details=_dag(), user=user):
        raise _refused(f"your login may not read the DAG {DAG_ID}")
    return signed_in(user)


def decider(user: User, manager: Manager) -> Person:
    """May hand in, review, classify, accept a risk."""
    if not manager.is_authorized_dag(method="PUT", details=_dag(), user=user):
        raise _refused(f"your login may not edit the DAG {DAG_ID}, which deciding needs")
    _refuse_without_logins()
    return signed_in(user)


def connector(user: User, manager: Manager) -> Person:
    """May connect and disconnect Bitbucket."""
    for conn_id in connection_ids():
        details = ConnectionDetails(conn_id=conn_id)
        if not manager.is_authorized_connection(method="PUT", details=details, user=user):
            raise _refused(f"your login may not edit the connection {conn_id}, which connecting needs")
    _refuse_without_logins()
    return signed_in(user)


def packager(user: User, manager: Manager) -> Person:
    """May have audit packages made."""
    reader(user, manager)
    details = _dag(AUDIT_DAG_ID)
    if not manager.is_authorized_dag(method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user):
        raise _refused(f"your login may not trigger the DAG {AUDIT_DAG_ID}, which making an audit package needs")
    _refuse_without_logins()
    return signed_in(user)


SignedIn = Annotated[Person, Depends(signed_in)]
Reader = Annotated[Person, Depends(reader)]
Decider = Annotated[Person, Depends(decider)]
Connector = Annotated[Person, Depends(connector)]
Packager = Annotated[Person, Depends(packager)]


def may_decide(user: User, manager: Manager) -> bool:
    """Whether this person may hand in, review, classify, accept a risk."""
    return _is_allowed(decider, user, manager)


def may_connect(user: User, manager: Manager) -> bool:
    """Whether this person may connect and disconnect Bitbucket."""
    return _is_allowed(connector, user, manager)


def may_package(user: User, manager: Manager) -> bool:
    """Whether this person may have audit packages made."""
    return _is_allowed(packager, user, manager)


MayDecide = Annotated[bool, Depends(may_decide)]
MayConnect = Annotated[bool, Depends(may_connect)]
MayPackage = Annotated[bool, Depends(may_package)]


def without_logins() -> bool:
    """Whether every request counts as an administrator's."""
    return conf.getboolean("core", "simple_auth_manager_all_admins", fallback=False)


def _is_allowed(as_whom: Callable[[User, Manager], Person], user: User, manager: Manager) -> bool:
    try:
        as_whom(user, manager)
    except HTTPException:
        return False
    return True


def _refuse_without_logins() -> None:
    if without_logins():
        raise _refused(NO_LOGINS)


def _refused(reason: str) -> HTTPException:
    return HTTPException(status.HTTP_403_FORBIDDEN, detail=reason)


def _dag(dag_id: str = DAG_ID) -> DagDetails:
    if not conf.getboolean("core", "multi_team", fallback=False):
        return DagDetails(id=dag_id)
    from airflow.models.dag import DagModel

    return DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
