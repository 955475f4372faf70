"""What a test written in Python reads: staging and registry as frames, the policy's thresholds, the run's clock."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.policy.model import Thresholds

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Tables:
    """Asks the functions of schema ``judging`` about one workspace and run."""

    connection: Connection
    workspace: str
    as_of: datetime
    thresholds: Thresholds

    @property
    def today(self) -> date:
        """The day the run started on, in the policy's time zone."""
        return self.thresholds.day_of(self.as_of)

    def read(self, name: str) -> "pd.DataFrame":
        """Rows of ``judging.<name>(workspace)``; missing values are None, whatever the column's type."""
        import pandas as pd

        cursor = self._ask(name)
        columns = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=columns, dtype=object)

    def value(self, name: str) -> Any:
        """The one value of ``judging.<name>(workspace)``, None without a row."""
        row = self._ask(name).fetchone()
        return None if row is None else next(iter(row.values()))

    def _ask(self, name: str) -> psycopg.Cursor[dict[str, Any]]:
        question = sql.SQL("SELECT * FROM judging.{}(%s)").format(sql.Identifier(name))
        return self.connection.execute(question, (self.workspace,))
