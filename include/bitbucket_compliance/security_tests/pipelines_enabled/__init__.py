"""Bitbucket Pipelines should be enabled for vulnerability scanning."""

from bitbucket_compliance.security_tests.frameworks import (
    CIS_SSC,
    ISO_27001,
    OSPS,
    PCI_DSS,
    SOC_2,
    SP_800_53,
    SSDF,
    supporting,
)
from bitbucket_compliance.security_tests.model import ApiCall, Reason, SecurityTest
from bitbucket_compliance.security_tests.reasons import OF_REPOSITORIES, RULES_NO_LONGER_READABLE

TEST = SecurityTest(
    test_id="pipelines_enabled",
    title="Bitbucket Pipelines should be enabled for vulnerability scanning",
    severity="medium",
    subject_type="repository",
    order=8,
    description="Bitbucket Pipelines is switched on, so that a scanner can run.",
    rationale=(
        "A scanner in Bitbucket Pipelines can run only where Pipelines is switched on. This test is off by default, "
        "because many teams build elsewhere."
    ),
    how_decided=(
        (
            "Decides by configuration: the repository's Pipelines setting. A repository that was never configured "
            "(Bitbucket answers 404 for the setting, and another call on the repository succeeds) counts as switched "
            "off."
        ),
        (
            "Decides by behaviour: a pipeline that ran in the window proves that it is on. That none ran does not "
            "prove it is off."
        ),
    ),
    bases={"configuration": ("pipelines_config",), "behaviour": ("pipelines",)},
    reasons={
        "evidence_accepted": Reason(
            "passing",
            "evidence",
            "The setting can't be read; accepted evidence within its validity shows that Pipelines is switched on.",
        ),
        "pipelines_enabled": Reason("passing", "configuration", "Pipelines is switched on."),
        "pipeline_ran": Reason("passing", "behaviour", "The setting can't be read, but a pipeline ran in the window."),
        "pipelines_disabled": Reason(
            "failing",
            "configuration",
            "Pipelines is switched off, or was never configured.",
            "Switch on Pipelines (Repository settings → Pipelines → Settings), and add a scanning step to "
            "bitbucket-pipelines.yml.",
            (ApiCall("PUT", "/repositories/{workspace}/{repo_slug}/pipelines_config", {"enabled": True}),),
        ),
        "no_pipeline_runs": Reason(
            "pending",
            None,
            "The setting can't be read, and no pipeline ran in the window.",
            "Grant repository:admin so that the setting can be read, or submit evidence.",
        ),
        "rules_no_longer_readable": RULES_NO_LONGER_READABLE,
        **OF_REPOSITORIES,
    },
    controls=(
        *supporting(
            SOC_2,
            **{
                "CC7.1": "asks for scanning itself, not for the means to run it",
                "CC8.1": "asks for tested changes, not for the means to test them",
            },
        ),
        *supporting(
            ISO_27001,
            **{
                "A.8.8": "asks for vulnerabilities that are found and treated, not for the means to find them",
                "A.8.25": "asks for rules of the whole life cycle",
            },
        ),
        *supporting(
            CIS_SSC, **{"2.3.1": "asks for every build step as code; Pipelines are defined as code where used"}
        ),
        *supporting(
            OSPS, **{"OSPS-QA-06": "asks for a test suite that runs; what a pipeline runs is the team's choice"}
        ),
        *supporting(SSDF, **{"PW.8.2": "asks for tests and their results, not for the means to run them"}),
        *supporting(
            SP_800_53,
            **{
                "RA-5": "asks for scanning itself, not for the means to run it",
                "SA-11": "asks for tests and their results, not for the means to run them",
            },
        ),
        *supporting(
            PCI_DSS, **{"6.3.1": "asks for vulnerabilities that are identified, not for the means to find them"}
        ),
    ),
    cannot_see=(
        "Whether any pipeline scans for vulnerabilities: its definition is source and never read.",
        "Scanning by another system than Bitbucket Pipelines.",
    ),
    thresholds=("behaviour_window_days", "evidence_validity_days", "time_zone", "max_data_age_hours"),
    enabled=False,
)
