"""Frameworks, and the controls of them that a test gives evidence for."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Framework:
    """A framework with its edition, and the document that its mapping rests on."""

    name: str
    source: str


SOC_2 = Framework("SOC 2", "AICPA, 2017 Trust Services Criteria with revised points of focus (2022), TSP section 100")
ISO_27001 = Framework("ISO 27001:2022", "ISO/IEC 27001:2022, annex A")
CIS_SSC = Framework("CIS Software Supply Chain 1.0", "CIS Software Supply Chain Security Guide v1.0")
OSPS = Framework("OSPS Baseline", "OpenSSF Open Source Project Security Baseline")
SSDF = Framework("NIST SSDF", "NIST SP 800-218 v1.1, as mapped by the OpenSSF OSPS Baseline")


@dataclass(frozen=True)
class Control:
    """A control that the test gives evidence for.

    Attributes:
        framework: whose control it is.
        control: its number there.
        strength: ``primary`` where the control asks for this, ``supporting`` where this is a part of what it asks for.
        note: where the control asks for more or other than the test sees.
    """

    framework: Framework
    control: str
    strength: Literal["primary", "supporting"] = "primary"
    note: str | None = None


def controls(framework: Framework, *numbers: str) -> tuple[Control, ...]:
    """Primary controls of one framework."""
    return tuple(Control(framework, number) for number in numbers)


# Of a workspace as of each of its members.
TWO_STEP_VERIFICATION = (
    *controls(SOC_2, "CC6.1", "CC6.6"),
    *controls(ISO_27001, "A.8.5", "A.5.17"),
    *controls(CIS_SSC, "1.3.5"),
    *controls(OSPS, "OSPS-AC-01"),
    *controls(SSDF, "PO.3.2", "PS.1"),
)
