"""What must hold of a run's verdicts before they are published."""

from include.expectations.model import Expectation, Numbers, keyed, no_rows

STATUSES = ("passing", "failing", "pending", "error", "not_applicable")
BASES = ("configuration", "behaviour", "evidence", "registry")


def expectations(numbers: Numbers) -> tuple[Expectation, ...]:
    """The suite under a policy's numbers."""
    return (
        *keyed("verdicts", "verdict_key", "verdict"),
        no_rows(
            "verdict_mismatches",
            "there is one verdict for each subject of each enabled test, and no other",
            "critical",
            "clear the security test named in the rows",
        ),
        Expectation(
            "verdicts",
            "ExpectColumnValuesToBeInSet",
            "every status is one of the contract",
            "critical",
            {"column": "status", "value_set": list(STATUSES)},
        ),
        Expectation(
            "verdicts",
            "ExpectColumnValuesToBeInSet",
            "every basis is one of the contract",
            "critical",
            {"column": "basis", "value_set": list(BASES)},
        ),
        Expectation(
            "verdicts",
            "ExpectColumnValuesToNotBeNull",
            "every verdict says when its data was read",
            "critical",
            {"column": "data_as_of"},
        ),
        Expectation(
            "passing_verdicts",
            "ExpectColumnValuesToBeBetween",
            f"nothing passes on data older than {numbers.max_data_age_hours:g} hours",
            "critical",
            {"column": "data_age_hours", "max_value": numbers.max_data_age_hours},
            way_out="run with full_refresh, or look why the extract could not read",
        ),
        Expectation(
            "passing_verdicts",
            "ExpectColumnValuesToNotBeNull",
            "nothing passes without a basis",
            "critical",
            {"column": "basis"},
        ),
    )
