"""Code repo should be classified."""

from bitbucket_compliance.security_tests.frameworks import ISO_27001, PCI_DSS, SOC_2, SP_800_53, controls, supporting
from bitbucket_compliance.security_tests.model import ApiCall, Reason, SecurityTest

TEST = SecurityTest(
    test_id="repo_classified",
    title="Code repo should be classified",
    severity="critical",
    subject_type="repository",
    order=1,
    description="Every repository is declared production or non-production, and none is more public than declared.",
    rationale=(
        "An organisation that can't say which repositories are production can't say which ones its rules are for. "
        "Every other test of repositories uses this classification: a `non_production` repository is not judged there, "
        "an unclassified one is."
    ),
    how_decided=(
        "Decides: the classification entry that applies to the repository (in the order under *What people declare*). "
        "If the entry declares a sensitivity other than `public`, but Bitbucket shows the repository to everybody, the "
        "two contradict each other: failing.",
    ),
    bases={"registry": ("repositories",)},
    reasons={
        "classified": Reason(
            "passing", "registry", "An entry declares the repository, and it is no more public than declared."
        ),
        "unclassified": Reason(
            "failing",
            "registry",
            "No entry classifies the repository, its project or a pattern of its slug.",
            "Declare the repository, its project or a slug pattern in a classification file and import it. If another "
            "repository had its slug before, declare it by its uuid.",
        ),
        "visibility_conflict": Reason(
            "failing",
            "registry",
            "Its declared sensitivity is not public, but Bitbucket shows the repository to everybody.",
            "Make the repository private (Repository settings → Repository details → Access level), or correct "
            "its declared sensitivity.",
            (ApiCall("PUT", "/repositories/{workspace}/{repo_slug}", {"is_private": True}),),
        ),
    },
    controls=(
        *supporting(SOC_2, **{"CC6.1": "asks for protection of what is sensitive; the classification says what is"}),
        *controls(ISO_27001, "A.5.12"),
        *supporting(ISO_27001, **{"A.5.13": "asks for labels on the information; the register labels repositories"}),
        *supporting(
            SP_800_53,
            **{
                "RA-2": "asks for categories of systems and their information; repositories are a part",
                "CM-8": "asks for an inventory of all components; repositories are a part",
            },
        ),
        *supporting(PCI_DSS, **{"6.3.2": "asks for components of third parties too"}),
    ),
    cannot_see=(
        "Whether a declared classification is right: that is its owner's statement.",
        "What the repository contains: its content is never read.",
    ),
)
