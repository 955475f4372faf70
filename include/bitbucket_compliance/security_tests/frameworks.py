"""Frameworks, and the controls of them that a test gives evidence for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Framework:
    """A framework with its edition, and the document that its mapping rests on.

    Attributes:
        titles: of each control that a test is mapped to, as the framework words it: its title where it has one, else
            what it asks for.
    """

    name: str
    source: str
    titles: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.name)


SOC_2 = Framework(
    "SOC 2",
    "AICPA, 2017 Trust Services Criteria with revised points of focus (2022), TSP section 100",
    {
        "CC6.1": "The entity implements logical access security software, infrastructure, and architectures over "
        "protected information assets to protect them from security events to meet the entity's objectives.",
        "CC6.2": "Prior to issuing system credentials and granting system access, the entity registers and authorizes "
        "new internal and external users whose access is administered by the entity. For those users whose access is "
        "administered by the entity, user system credentials are removed when user access is no longer authorized.",
        "CC6.3": "The entity authorizes, modifies, or removes access to data, software, functions, and other protected "
        "information assets based on roles, responsibilities, or the system design and changes, giving consideration "
        "to the concepts of least privilege and segregation of duties, to meet the entity's objectives.",
        "CC6.6": "The entity implements logical access security measures to protect against threats from sources "
        "outside its system boundaries.",
        "CC7.1": "To meet its objectives, the entity uses detection and monitoring procedures to identify (1) changes "
        "to configurations that result in the introduction of new vulnerabilities, and (2) susceptibilities to newly "
        "discovered vulnerabilities.",
        "CC8.1": "The entity authorizes, designs, develops or acquires, configures, documents, tests, approves, and "
        "implements changes to infrastructure, data, software, and procedures to meet its objectives.",
    },
)
ISO_27001 = Framework(
    "ISO 27001:2022",
    "ISO/IEC 27001:2022, annex A",
    {
        "A.5.3": "Segregation of duties",
        "A.5.12": "Classification of information",
        "A.5.13": "Labelling of information",
        "A.5.17": "Authentication information",
        "A.5.18": "Access rights",
        "A.6.5": "Responsibilities after termination or change of employment",
        "A.8.2": "Privileged access rights",
        "A.8.4": "Access to source code",
        "A.8.5": "Secure authentication",
        "A.8.8": "Management of technical vulnerabilities",
        "A.8.25": "Secure development life cycle",
        "A.8.28": "Secure coding",
        "A.8.29": "Security testing in development and acceptance",
        "A.8.32": "Change management",
    },
)
CIS_SSC = Framework(
    "CIS Software Supply Chain 1.0",
    "CIS Software Supply Chain Security Guide v1.0",
    {
        "1.1.3": "Ensure any change to code receives approval of two strongly authenticated users",
        "1.1.9": "Ensure all checks have passed before merging new code",
        "1.1.15": "Ensure pushing or merging of new code is restricted to specific individuals or teams",
        "1.1.16": "Ensure force push code to branches is denied",
        "1.1.17": "Ensure branch deletions are denied",
        "1.3.1": "Ensure inactive users are reviewed and removed periodically",
        "1.3.5": "Ensure the organization is requiring members to use Multi-Factor Authentication (MFA)",
        "2.3.1": "Ensure all build steps are defined as code",
    },
)
OSPS = Framework(
    "OSPS Baseline",
    "OpenSSF Open Source Project Security Baseline, 2026.02.19",
    {
        "OSPS-AC-01": "When a user attempts to read or modify a sensitive resource in the project's authoritative "
        "repository, the system MUST require the user to complete a multi-factor authentication process.",
        "OSPS-AC-03": "When a direct commit is attempted on the project's primary branch, an enforcement mechanism "
        "MUST prevent the change from being applied; an attempt to delete it is a sensitive activity.",
        "OSPS-QA-03": "When a commit is made to the primary branch, any automated status checks for commits MUST pass "
        "or be manually bypassed.",
        "OSPS-QA-06": "Prior to a commit being accepted, the project's CI/CD pipelines MUST run at least one automated "
        "test suite to ensure the changes meet expectations.",
        "OSPS-QA-07": "When a commit is made to the primary branch, the project's version control system MUST require "
        "at least one non-author human approval of the changes before merging.",
    },
)
SSDF = Framework(
    "NIST SSDF",
    "NIST SP 800-218 v1.1",
    {
        "PO.3.2": "Follow recommended security practices to deploy, operate, and maintain tools and toolchains.",
        "PO.4.1": "Define criteria for software security checks and track throughout the SDLC.",
        "PS.1": "Protect All Forms of Code from Unauthorized Access and Tampering",
        "PW.7": "Review and/or Analyze Human-Readable Code to Identify Vulnerabilities and Verify Compliance with "
        "Security Requirements",
        "PW.8.2": "Scope the testing, design the tests, perform the testing, and document the results, including "
        "recording and triaging all discovered issues and recommended remediations in the development team's workflow "
        "or issue tracking system.",
    },
)
SP_800_53 = Framework(
    "NIST SP 800-53 Rev. 5",
    "NIST SP 800-53 Rev. 5, update 1",
    {
        "AC-2(3)": "Account Management | Disable Accounts",
        "AC-5": "Separation of Duties",
        "CM-3": "Configuration Change Control",
        "CM-5": "Access Restrictions for Change",
        "CM-8": "System Component Inventory",
        "IA-2(1)": "Identification and Authentication (Organizational Users) | Multi-factor Authentication to "
        "Privileged Accounts",
        "IA-2(2)": "Identification and Authentication (Organizational Users) | Multi-factor Authentication to "
        "Non-privileged Accounts",
        "PS-4": "Personnel Termination",
        "RA-2": "Security Categorization",
        "RA-5": "Vulnerability Monitoring and Scanning",
        "SA-11": "Developer Testing and Evaluation",
        "SA-11(4)": "Developer Testing and Evaluation | Manual Code Reviews",
    },
)
PCI_DSS = Framework(
    "PCI DSS 4.0.1",
    "PCI DSS v4.0.1, June 2024",
    {
        "6.2.3.1": "If manual code reviews are performed for bespoke and custom software prior to release to "
        "production, code changes are reviewed by individuals other than the originating code author, and who are "
        "knowledgeable about code-review techniques and secure coding practices, and reviewed and approved by "
        "management prior to release.",
        "6.3.1": "Security vulnerabilities are identified and managed.",
        "6.3.2": "An inventory of bespoke and custom software, and third-party software components incorporated into "
        "bespoke and custom software is maintained to facilitate vulnerability and patch management.",
        "6.5.1": "Changes to all system components in the production environment are made according to established "
        "procedures.",
        "8.2.5": "Access for terminated users is immediately revoked.",
        "8.4.2": "MFA is implemented for all non-console access into the CDE.",
    },
)

ALL = (SOC_2, ISO_27001, CIS_SSC, OSPS, SSDF, SP_800_53, PCI_DSS)


@dataclass(frozen=True)
class Control:
    """A control that the test gives evidence for.

    Attributes:
        framework: whose control it is.
        control: its number there.
        strength: ``primary`` where the control asks for just this, ``supporting`` where this is a part of what it asks
            for.
        note: of a supporting one, what the control asks for beside what the test sees.
    """

    framework: Framework
    control: str
    strength: Literal["primary", "supporting"] = "primary"
    note: str | None = None

    @property
    def title(self) -> str:
        """As the framework words it."""
        return self.framework.titles[self.control]


def controls(framework: Framework, *numbers: str) -> tuple[Control, ...]:
    """Primary controls of one framework: each asks for just what the test sees."""
    return tuple(Control(framework, number) for number in numbers)


def supporting(framework: Framework, **notes: str) -> tuple[Control, ...]:
    """Supporting controls of one framework.

    Args:
        notes: what each asks for beside what the test sees, by its number.
    """
    return tuple(Control(framework, number, "supporting", note) for number, note in notes.items())


_OF_ACCOUNTS = "asks for the whole of logical access; a second factor is a part"
# Of a workspace as of each of its members.
TWO_STEP_VERIFICATION = (
    *supporting(SOC_2, **{"CC6.1": _OF_ACCOUNTS, "CC6.6": _OF_ACCOUNTS}),
    *supporting(
        ISO_27001,
        **{
            "A.8.5": "asks for authentication that fits the risk; a second factor is a part",
            "A.5.17": "asks how secrets are given out and handled; a second factor limits the harm of a leak",
        },
    ),
    *supporting(
        CIS_SSC, **{"1.3.5": "asks for the organization's requirement; the test sees what evidence shows of it"}
    ),
    *controls(OSPS, "OSPS-AC-01"),
    *supporting(
        SSDF,
        **{
            "PO.3.2": "asks for hardened toolchains; access to the repository host is one of them",
            "PS.1": "asks for code that is protected in every form; who signs in is a part",
        },
    ),
    *controls(SP_800_53, "IA-2(1)", "IA-2(2)"),
    *supporting(PCI_DSS, **{"8.4.2": "asks for all access into the cardholder data environment"}),
)
