"""What must hold of a run's verdicts before they are published."""

from collections.abc import Iterable

from bitbucket_compliance.pipeline.gate.expectations.model import Expectation, Thresholds, keyed, no_rows
from bitbucket_compliance.security_tests import CATALOGUE

STATUSES = ("passing", "failing", "pending", "error", "not_applicable")
BASES = ("configuration", "behaviour", "evidence", "registry")

#: What the catalogue lets a verdict say, as the view's column ``outcome`` writes it.
OUTCOMES = tuple(
    f"{test.test_id} {reason.status} {code}" for test in CATALOGUE for code, reason in test.every_reason.items()
)

#: A member is named by id alone, a repository by its slug too.
_SUBJECT = ("test_id", "subject_id", "repository")

JUDGE_AGAIN = "clear the security test named in the rows; if they stay, its verdict file is wrong"


def expectations(thresholds: Thresholds) -> tuple[Expectation, ...]:
    """The suite under a policy's thresholds."""
    return (
        *keyed("verdicts", "verdict_key", "verdict", _SUBJECT, JUDGE_AGAIN),
        no_rows(
            "unexplained_intervals",
            "history holds what publications of the pipeline wrote, and nothing else",
            "critical",
            "somebody wrote to compliance.result_history past the pipeline: find out who, and have an administrator of "
            "the database put its rows back from a backup",
        ),
        no_rows(
            "population_differences",
            "every population has in its table what was read, and nothing else, or the reason is known",
            # No verdict rests on these tables: completeness calls the population not whole, and verdicts are published.
            "warning",
            "somebody wrote to these tables past the pipeline, or something that was read got lost: make verify names "
            "what is not as it was; have an administrator of the database put it back from a backup",
        ),
        no_rows(
            "verdict_mismatches",
            "there is one verdict for each subject of each enabled test, and no other",
            "holds_back",
            JUDGE_AGAIN,
        ),
        _holds("every status is one of the contract", f"status NOT IN ({_texts(STATUSES)})", "status"),
        _holds("every basis is one of the contract", f"basis NOT IN ({_texts(BASES)})", "basis"),
        _holds(
            "every reason code is one of its test's, with the status that the catalogue gives it",
            f"outcome NOT IN ({_texts(OUTCOMES)})",
            "outcome",
        ),
        _holds("every verdict says when its data was read", "data_as_of IS null"),
        _holds(
            "no verdict rests on data from the future",
            "data_as_of > now() + interval '10 minutes'",
            "data_as_of",
            "a clock is wrong: compare those of the workers and of the database server, then run with full_refresh",
        ),
        _holds(
            f"nothing passes on data older than {thresholds.max_data_age_hours:g} hours",
            f"status = 'passing' AND data_age_hours > {thresholds.max_data_age_hours}",
            "data_as_of",
            "run with full_refresh, or look why the extract could not read",
        ),
        _holds("nothing passes without a basis", "status = 'passing' AND basis IS null"),
        _holds(
            "nothing fails without a basis, and what is pending or in error has none",
            "(status = 'failing' AND basis IS null) OR (status IN ('pending', 'error') AND basis IS NOT null)",
            "status, basis, reason_code",
        ),
        no_rows(
            "unsupported_verdicts",
            "no verdict rests on evidence that is not accepted, was captured later than the run, is about another"
            f" test, or is past its {thresholds.evidence_validity_days} days",
            "holds_back",
            "clear the security test named in the rows: the evidence was withdrawn or has run out since; "
            "submit newer evidence",
        ),
        _holds("every verdict gives its reason as a sentence", "btrim(reason) = ''", "reason_code"),
        _holds(
            "facts and detail of every verdict are JSON objects",
            "jsonb_typeof(facts) <> 'object' OR jsonb_typeof(detail) <> 'object'",
            "jsonb_typeof(facts) AS facts, jsonb_typeof(detail) AS detail",
        ),
    )


def _holds(what: str, broken_by: str, shown: str = "", hint: str = JUDGE_AGAIN) -> Expectation:
    """A rule about single verdicts.

    Args:
        broken_by: constant SQL, true of a verdict that breaks it.
        shown: constant SQL of what to print beside test and subject.
    """
    columns = ", ".join([*_SUBJECT, *([shown] if shown else [])])
    query = f"SELECT {columns} FROM {{batch}} WHERE {broken_by}"  # noqa: S608  # nosec B608 - constants of this file
    return no_rows("verdicts", what, "holds_back", hint, query)


def _texts(values: Iterable[str]) -> str:
    """Constants as SQL."""
    return ", ".join(f"'{value}'" for value in values)
