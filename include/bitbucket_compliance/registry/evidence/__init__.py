"""Evidence: submitted, accepted or rejected by somebody else, expired or withdrawn. Rule: design.md §5."""

from bitbucket_compliance.registry.evidence.decide import OUTCOMES, Decided, decide, would_cover
from bitbucket_compliance.registry.evidence.open_file import KeptFile, open_evidence
from bitbucket_compliance.registry.evidence.rows import listed
from bitbucket_compliance.registry.evidence.rules import SCOPES
from bitbucket_compliance.registry.evidence.submit import Submission, submit
from bitbucket_compliance.registry.evidence_files.checks import LARGEST_FILE

__all__ = [
    "LARGEST_FILE",
    "OUTCOMES",
    "SCOPES",
    "Decided",
    "KeptFile",
    "Submission",
    "decide",
    "listed",
    "open_evidence",
    "submit",
    "would_cover",
]
