"""Rules of the policy: defaults, one overriding file, errors that name file and key, a version of the content."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from bitbucket_compliance.core.errors import PolicyInvalid
from bitbucket_compliance.policy.model import Policy, Threshold, contradictions, delivered
from bitbucket_compliance.policy.overrides import flat
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.policies import DELIVERED, keys, load_policy, recorded
from bitbucket_compliance.security_tests.restriction_kinds import RESTRICTION_KINDS
from tests.documents.verdicts import POLICY_PAGE, policy_page


@pytest.fixture
def override(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy file that COMPLIANCE_POLICY_FILE names; the test writes it."""
    path = tmp_path / "policy.yaml"
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(path))
    return path


@pytest.fixture(autouse=True)
def _no_policy_of_the_person_who_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPLIANCE_POLICY_FILE", raising=False)


def refused(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyInvalid) as error:
        load_policy()
    message = str(error.value)
    assert str(path) in message, "the file has to be named"
    assert "\n" not in message, "one line"
    return message


def accepted(path: Path, text: str) -> Policy:
    path.write_text(text, encoding="utf-8")
    return load_policy()


# ------------------------------------------------------------------- defaults


def test_defaults_know_every_test_of_the_catalogue_and_no_other() -> None:
    assert set(load_policy().tests) == {test.test_id for test in CATALOGUE}


def test_defaults_switch_on_all_but_pipelines() -> None:
    policy = load_policy()
    assert [test_id for test_id in policy.tests if not policy.enabled(test_id)] == ["pipelines_enabled"]


def test_severities_are_those_of_the_catalogue() -> None:
    policy = load_policy()
    assert {test.test_id: policy.tests[test.test_id].severity for test in CATALOGUE} == {
        test.test_id: test.severity for test in CATALOGUE
    }


def test_thresholds_are_those_of_the_design() -> None:
    thresholds = load_policy().thresholds
    assert (thresholds.min_passing_builds, thresholds.min_approvals) == (1, 1)
    assert set(thresholds.required_protections) == {"push", "force", "delete"}
    assert (thresholds.behaviour_window_days, thresholds.behaviour_sample, thresholds.behaviour_min_sample) == (
        90,
        5,
        3,
    )
    assert (thresholds.offboarding_grace_days, thresholds.roster_max_age_days, thresholds.time_zone) == (0, 7, "UTC")
    assert (thresholds.max_error_share, thresholds.max_shrink_share) == (0.9, 0.1)


@pytest.mark.parametrize(("severity", "days"), [("critical", 7), ("high", 30), ("medium", 90)])
def test_time_to_fix_depends_on_the_severity(severity: str, days: int) -> None:
    assert load_policy().time_to_fix(severity) == timedelta(days=days)


def test_a_test_brings_its_own_switch_severity_and_thresholds_with_it() -> None:
    own = Threshold("max_open_doors", 3, "So many doors may be open.", int)
    ninth = replace(CATALOGUE[0], test_id="doors_closed", severity="medium", enabled=False, own_thresholds=(own,))
    policy = delivered([*CATALOGUE, ninth])
    assert policy.tests["doors_closed"].model_dump() == {"enabled": False, "severity": "medium"}
    assert policy.thresholds["max_open_doors"] == 3
    assert policy.version != DELIVERED.version


@pytest.mark.parametrize("name", ["time_zone", "min_approvals"])
def test_no_two_thresholds_have_one_name(name: str) -> None:
    again = replace(CATALOGUE[0], own_thresholds=(Threshold(name, 3, "Another one of this name.", int),))
    with pytest.raises(ValueError, match=f"two thresholds {name}"):
        delivered([*CATALOGUE[1:], again])


def test_every_key_has_a_meaning_and_the_default_that_is_delivered() -> None:
    listed = {key.name: key.default for key in keys()}
    assert listed == flat(DELIVERED)
    assert all(key.meaning.endswith(".") for key in keys())


def test_the_documentation_lists_every_key() -> None:
    assert POLICY_PAGE.read_text(encoding="utf-8") == policy_page(), "run make docs"


# ------------------------------------------------------------------ overriding


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "{}", "tests:\nthresholds:\n", "null"])
def test_an_empty_file_keeps_the_defaults(override: Path, text: str) -> None:
    assert accepted(override, text) == DELIVERED
    assert load_policy().version == DELIVERED.version


def test_a_single_key_is_overridden_and_every_other_kept(override: Path) -> None:
    policy = accepted(override, "thresholds: {behaviour_window_days: 30}")
    expected = DELIVERED.model_dump()
    expected["thresholds"]["behaviour_window_days"] = 30
    assert policy.model_dump() == expected


def test_switch_and_severity_of_a_test_are_overridden_apart(override: Path) -> None:
    policy = accepted(
        override, "tests: {pipelines_enabled: {enabled: true}, repo_classified: {severity: medium}, user_mfa_enabled: }"
    )
    assert policy.enabled("pipelines_enabled")
    assert policy.tests["pipelines_enabled"].severity == "medium"
    assert policy.enabled("repo_classified")
    assert policy.tests["repo_classified"].severity == "medium"
    assert policy.enabled("user_mfa_enabled")


def test_a_key_without_a_value_keeps_the_default(override: Path) -> None:
    assert accepted(override, "thresholds: {min_approvals: }").thresholds.min_approvals == 1


def test_a_list_is_replaced_not_added_to(override: Path) -> None:
    assert accepted(override, "thresholds: {required_protections: [force]}").thresholds.required_protections == [
        "force"
    ]


def test_the_variable_may_hold_white_space_or_nothing(override: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    override.write_text("thresholds: {min_approvals: 2}")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", f"  {override} ")
    assert load_policy().thresholds.min_approvals == 2
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", "   ")
    assert load_policy().thresholds.min_approvals == 1


def test_a_tilde_in_the_variable_is_the_home_folder(override: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    override.write_text("thresholds: {min_approvals: 2}")
    monkeypatch.setenv("HOME", str(override.parent))
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", "~/policy.yaml")
    assert load_policy().thresholds.min_approvals == 2


def test_a_file_given_by_hand_goes_before_the_variable(override: Path, tmp_path: Path) -> None:
    override.write_text("thresholds: {min_approvals: 2}")
    by_hand = tmp_path / "by-hand.yaml"
    by_hand.write_text("thresholds: {min_approvals: 3}")
    assert load_policy(by_hand).thresholds.min_approvals == 3


def test_a_byte_order_mark_does_no_harm(override: Path) -> None:
    override.write_bytes(b"\xef\xbb\xbfthresholds: {min_approvals: 2}\r\n")
    assert load_policy().thresholds.min_approvals == 2


def test_the_file_is_read_anew_for_each_run(override: Path) -> None:
    assert accepted(override, "thresholds: {min_approvals: 2}").thresholds.min_approvals == 2
    assert accepted(override, "thresholds: {min_approvals: 3}").thresholds.min_approvals == 3


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("thresholds: {min_aprovals: 1}", "thresholds.min_aprovals"),
        ("tests: {repo_classified: {enable: true}}", "tests.repo_classified.enable"),
        ("thresholds: {a: 1}", "thresholds"),
        ("tests: {repo_clasified: {enabled: true}}", "tests.repo_clasified"),
        ("tests: {7: {enabled: true}}", "tests.7"),
        ("tests: {repo_clasified: }", "tests.repo_clasified"),
    ],
)
def test_an_unknown_key_or_test_is_refused_by_name(override: Path, text: str, key: str) -> None:
    message = refused(override, text)
    assert key in message
    assert "unknown" in message


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("thresholds: {min_approvals: many}", "thresholds.min_approvals"),
        ("thresholds: {min_approvals: 0}", "thresholds.min_approvals"),
        ("thresholds: {min_approvals: 1.5}", "thresholds.min_approvals"),
        ("thresholds: {behaviour_window_days: -1}", "thresholds.behaviour_window_days"),
        ("thresholds: {behaviour_sample: [5]}", "thresholds.behaviour_sample"),
        ("thresholds: {required_protections: []}", "thresholds.required_protections"),
        ("thresholds: {required_protections: push}", "thresholds.required_protections"),
        ("thresholds: {required_protections: [1]}", "thresholds.required_protections"),
        ("thresholds: {max_error_share: 10}", "thresholds.max_error_share"),
        ("thresholds: {max_error_share: .nan}", "thresholds.max_error_share"),
        ("thresholds: {roster_max_age_days: .inf}", "thresholds.roster_max_age_days"),
        ("thresholds: {max_data_age_hours: .inf}", "thresholds.max_data_age_hours"),
        ("thresholds: {time_zone: Mars/Olympus}", "thresholds.time_zone"),
        ("thresholds: {time_zone: ''}", "thresholds.time_zone"),
        ("thresholds: {time_zone: ../../etc/passwd}", "thresholds.time_zone"),
        ("tests: {repo_classified: {severity: urgent}}", "tests.repo_classified.severity"),
        ("tests: {repo_classified: {enabled: perhaps}}", "tests.repo_classified.enabled"),
        ("tests: {repo_classified: true}", "tests.repo_classified"),
        ("thresholds: 5", "thresholds"),
        ("tests: 5", "tests"),
        ("tests: true", "tests"),
        ("tests: repo_classified", "tests"),
        ("tests: [repo_classified]", "tests"),
    ],
)
def test_a_bad_value_is_refused_by_its_key(override: Path, text: str, key: str) -> None:
    assert key in refused(override, text)


def test_a_file_of_the_old_form_is_refused_and_told_the_new_name(override: Path) -> None:
    assert "numbers: the key is called thresholds" in refused(override, "numbers: {min_approvals: 2}")


@pytest.mark.parametrize("text", ["- a\n- b\n", "5", "just words", "'tests'"])
def test_a_file_that_is_no_mapping_is_refused(override: Path, text: str) -> None:
    assert "mapping" in refused(override, text)


@pytest.mark.parametrize(
    ("text", "line"),
    [("thresholds:\n  min_approvals: [1\n", 3), ("thresholds:\n\tmin_approvals: 1\n", 2), ("a: b: c", 1)],
)
def test_broken_yaml_is_refused_with_its_line(override: Path, text: str, line: int) -> None:
    assert f"line {line}" in refused(override, text)


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.getcwd []", "thresholds: !env SECRET", "a: 1\n---\nb: 2\n", "\x07"]
)
def test_tags_several_documents_and_control_characters_are_refused(override: Path, text: str) -> None:
    assert "YAML" in refused(override, text)


def test_a_missing_file_is_refused_with_the_variable_that_names_it(override: Path) -> None:
    with pytest.raises(PolicyInvalid, match="COMPLIANCE_POLICY_FILE") as error:
        load_policy()
    assert str(override) in str(error.value)


def test_a_folder_is_refused(override: Path) -> None:
    override.mkdir()
    with pytest.raises(PolicyInvalid, match=r"policy\.yaml"):
        load_policy()


def test_a_file_that_is_not_utf8_is_refused(override: Path) -> None:
    override.write_bytes("thresholds: {time_zone: Zürich}".encode("latin-1"))
    with pytest.raises(PolicyInvalid, match="UTF-8"):
        load_policy()


@pytest.mark.parametrize(
    "key",
    [
        "min_passing_builds",
        "min_approvals",
        "behaviour_sample",
        "behaviour_min_sample",
        "offboarding_grace_days",
        "roster_max_age_days",
        "evidence_validity_days",
        "bodies_kept_days",
        "max_data_age_hours",
        "due_days_critical",
        "due_days_high",
        "due_days_medium",
    ],
)
def test_a_number_that_a_slip_of_the_hand_made_huge_is_refused(override: Path, key: str) -> None:
    assert f"thresholds.{key}" in refused(override, f"thresholds: {{{key}: 1000000000}}")


def test_a_protection_that_bitbucket_does_not_know_is_refused_by_name(override: Path) -> None:
    message = refused(override, "thresholds: {required_protections: [push, no_force, delete]}")
    assert "thresholds.required_protections: 'no_force'" in message
    assert "restrict_merges" in message, "what is known is told"


def test_a_protection_named_twice_is_one(override: Path) -> None:
    policy = accepted(override, "thresholds: {required_protections: [push, delete, push]}")
    assert policy.thresholds.required_protections == ["push", "delete"]


def test_known_protections_are_the_eighteen_of_bitbucket() -> None:
    assert {"push", "force", "delete", "restrict_merges", "enforce_merge_checks"} <= set(RESTRICTION_KINDS)
    assert len(RESTRICTION_KINDS) == len(set(RESTRICTION_KINDS)) == 18


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("thresholds: {behaviour_min_sample: 6}", ("thresholds.behaviour_min_sample", "thresholds.behaviour_sample")),
        ("thresholds: {behaviour_sample: 2}", ("thresholds.behaviour_min_sample", "thresholds.behaviour_sample")),
        ("thresholds: {reread_hours: 49}", ("thresholds.reread_hours", "thresholds.max_data_age_hours")),
        ("thresholds: {max_data_age_hours: 19}", ("thresholds.reread_hours", "thresholds.max_data_age_hours")),
    ],
)
def test_thresholds_that_contradict_each_other_are_told_by_both_keys(
    override: Path, text: str, keys: tuple[str, str]
) -> None:
    told = contradictions(accepted(override, text))
    assert len(told) == 1
    assert all(key in told[0] for key in keys)


@pytest.mark.parametrize(
    "text", ["", "thresholds: {behaviour_min_sample: 5}", "thresholds: {reread_hours: 48, reading_hours: 0}"]
)
def test_thresholds_that_go_together_are_no_contradiction(override: Path, text: str) -> None:
    assert contradictions(accepted(override, text)) == []


# --------------------------------------------------------------------- version


def test_the_version_is_the_same_for_the_same_content(override: Path) -> None:
    defaults = DELIVERED.model_dump(mode="json")
    spelled_out = accepted(override, yaml.safe_dump(defaults)).version
    reordered = accepted(override, yaml.safe_dump(defaults, sort_keys=True, default_flow_style=True)).version
    unchanged = accepted(override, "# nothing\nthresholds: {min_approvals: 1, roster_max_age_days: 7.0}").version
    override.unlink()
    assert spelled_out == reordered == unchanged
    assert len(unchanged) == 12
    assert set(unchanged) <= set("0123456789abcdef")


def test_every_single_change_has_a_version_of_its_own(override: Path) -> None:
    texts = [
        "",
        *(f"tests: {{{test.test_id}: {{enabled: {test.test_id == 'pipelines_enabled'}}}}}" for test in CATALOGUE),
        *(
            f"thresholds: {{{name}: {value}}}"
            for name, value in {
                "min_passing_builds": 2,
                "min_approvals": 2,
                "required_protections": "[push]",
                "behaviour_window_days": 91,
                "behaviour_sample": 6,
                "behaviour_min_sample": 4,
                "offboarding_grace_days": 1,
                "roster_max_age_days": 8,
                "time_zone": "Europe/Berlin",
                "evidence_validity_days": 91,
                "max_error_share": 0.95,
                "max_shrink_share": 0.2,
                "max_data_age_hours": 49,
                "due_days_critical": 8,
                "due_days_high": 31,
                "due_days_medium": 91,
            }.items()
        ),
        "tests: {repo_classified: {severity: high}}",
    ]
    versions = [accepted(override, text).version for text in texts]
    assert len(set(versions)) == len(texts)


def test_a_policy_survives_the_way_through_json_unchanged(override: Path) -> None:
    policy = accepted(override, "thresholds: {max_error_share: 0.3, roster_max_age_days: 0.25}")
    again = recorded(policy.model_dump(mode="json"))
    assert (again, again.version) == (policy, policy.version)
