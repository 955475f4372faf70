"""What must hold of a run's verdicts before they are published."""

from bitbucket_compliance.pipeline.gate.expectations.model import Expectation, Thresholds, keyed, no_rows, one_of
from bitbucket_compliance.security_tests import CATALOGUE

STATUSES = ("passing", "failing", "pending", "error", "not_applicable")
BASES = ("configuration", "behaviour", "evidence", "registry")

#: What the catalogue lets a verdict say, as the view's column ``outcome`` writes it.
OUTCOMES = tuple(
    f"{test.test_id} {reason.status} {code}" for test in CATALOGUE for code, reason in test.reasons.items()
)

# A member is named by id alone, a repository by its slug too.
_SUBJECT = ("test_id", "subject_id", "repository")

JUDGE_AGAIN = "clear the security test named in the rows; if they stay, its verdict file is wrong"


def expectations(thresholds: Thresholds) -> tuple[Expectation, ...]:
    """The suite under a policy's thresholds."""
    return (
        *keyed("verdicts", "verdict_key", "verdict", _SUBJECT, JUDGE_AGAIN),
        no_rows(
            "verdict_mismatches",
            "there is one verdict for each subject of each enabled test, and no other",
            "critical",
            "clear the security test named in the rows",
        ),
        no_rows(
            "unexplained_intervals",
            "history holds what publications of the pipeline wrote, and nothing else",
            "critical",
            "somebody wrote to compliance.result_history past the pipeline: find out who, and have an administrator of "
            "the database put its rows back from a backup",
        ),
        one_of("verdicts", "status", "every status is one of the contract", STATUSES, _SUBJECT, JUDGE_AGAIN),
        one_of("verdicts", "basis", "every basis is one of the contract", BASES, _SUBJECT, JUDGE_AGAIN),
        one_of(
            "verdicts",
            "outcome",
            "every reason code is one of its test's, with the status that the catalogue gives it",
            OUTCOMES,
            _SUBJECT,
            JUDGE_AGAIN,
        ),
        Expectation(
            "verdicts",
            "ExpectColumnValuesToNotBeNull",
            "every verdict says when its data was read",
            "critical",
            {"column": "data_as_of"},
            JUDGE_AGAIN,
            _SUBJECT,
        ),
        no_rows(
            "verdicts",
            "no verdict rests on data from the future",
            "critical",
            "a clock is wrong: compare those of the workers and of the database server, then run with full_refresh",
            "SELECT test_id, subject_id, repository, data_as_of FROM {batch}"
            " WHERE data_as_of > now() + interval '10 minutes'",
        ),
        Expectation(
            "passing_verdicts",
            "ExpectColumnValuesToBeBetween",
            f"nothing passes on data older than {thresholds.max_data_age_hours:g} hours",
            "critical",
            {"column": "data_age_hours", "max_value": thresholds.max_data_age_hours},
            "run with full_refresh, or look why the extract could not read",
            _SUBJECT,
        ),
        Expectation(
            "passing_verdicts",
            "ExpectColumnValuesToNotBeNull",
            "nothing passes without a basis",
            "critical",
            {"column": "basis"},
            JUDGE_AGAIN,
            _SUBJECT,
        ),
        no_rows(
            "verdicts",
            "nothing fails without a basis, and what is pending or in error has none",
            "critical",
            JUDGE_AGAIN,
            "SELECT test_id, subject_id, repository, status, basis, reason_code FROM {batch}"
            " WHERE (status = 'failing' AND basis IS null)"
            " OR (status IN ('pending', 'error') AND basis IS NOT null)",
        ),
        no_rows(
            "unsupported_verdicts",
            "no verdict rests on evidence that is not accepted, was captured later than the run, is about another"
            f" test, or is past its {thresholds.evidence_validity_days} days",
            "critical",
            "clear the security test named in the rows: the evidence was withdrawn or has run out since; "
            "submit newer evidence",
        ),
        no_rows(
            "verdicts",
            "every verdict gives its reason as a sentence",
            "critical",
            JUDGE_AGAIN,
            "SELECT test_id, subject_id, repository, reason_code FROM {batch} WHERE btrim(reason) = ''",
        ),
        no_rows(
            "verdicts",
            "facts and detail of every verdict are JSON objects",
            "critical",
            JUDGE_AGAIN,
            "SELECT test_id, subject_id, repository, jsonb_typeof(facts) AS facts, jsonb_typeof(detail) AS detail"
            " FROM {batch} WHERE jsonb_typeof(facts) <> 'object' OR jsonb_typeof(detail) <> 'object'",
        ),
    )
