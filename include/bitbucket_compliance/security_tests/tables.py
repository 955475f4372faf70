"""What a test written in Python reads: staging and registry as frames, the policy's thresholds, the run's clock."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.policy.model import Thresholds

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Tables:
    """Reads the SQL files of the tests for one workspace and run."""

    connection: Connection
    workspace: str
    as_of: datetime
    thresholds: Thresholds

    @property
    def today(self) -> date:
        """The day the run started on, in the policy's time zone."""
        return self.as_of.astimezone(ZoneInfo(self.thresholds.time_zone)).date()

    def read(self, name: str) -> "pd.DataFrame":
        """Rows of ``security_tests/<name>``; missing values are None, whatever the column's type."""
        import pandas as pd

        cursor = run_sql(self.connection, HERE / name, {"workspace": self.workspace})
        columns = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=columns, dtype=object)

    def value(self, name: str) -> Any:
        """The one value of ``include/bitbucket_compliance/security_tests/<name>``, None without a row."""
        row = run_sql(self.connection, HERE / name, {"workspace": self.workspace}).fetchone()
        return None if row is None else next(iter(row.values()))
