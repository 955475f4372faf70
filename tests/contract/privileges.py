"""Who may do what to which relation, as data: the expectation of ``test_privileges``.

S select, I insert, U update, D delete, T truncate; ``-`` nothing. The first pattern that matches a relation counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

ROLES = (
    "compliance_pipeline",
    "compliance_console",
    "compliance_reader",
    "compliance_people_reader",
    "compliance_vault",
    "compliance_receiver",
)
SCHEMAS = ("landing", "staging", "judging", "judged", "registry", "integration", "quality", "compliance")

_TABLES = """
# relation                         pipeline console reader people vault   receiver
# when and by whom an object was seen last may be updated
landing.objects                    SI       -       -      -      -      -
landing.*                          SIUD     -       -      -      -      -
staging.members                    SIUD     S       -      -      -      -
staging.member_emails              SIUD     S       -      -      -      -
staging.repositories               SIUD     S       -      -      -      -
staging.workspaces                 SIUD     S       -      -      -      -
staging.*                          SIUD     -       -      -      -      -
judged.*                           SIUD     -       -      -      -      -
quality.*                          SI       -       -      -      -      -
# what people declare: added to, never changed; the time of a row is the server's
registry.people                    SI       I       -      -      -      -
registry.policy_versions           SI       SI      -      -      -      -
registry.access_reviews            -        I       -      -      -      -
registry.access_review_sign_offs   -        SI      -      -      -      -
registry.reading_grant*            SI       -       -      -      -      -
registry.purged                    -        S       -      -      -      -
registry.purge*                    -        SI      -      -      -      -
registry.*                         SI       SI      -      -      -      -
integration.connection_events      S        S       -      -      SI     -
integration.token_vault            -        -       -      -      SIUDT  -
# the receiver may also update the two columns about refused deliveries
integration.webhooks               SIUD     SIUD    -      -      -      S
integration.webhook_secrets        -        -       -      -      SIUDT  S
integration.webhook_events         SUD      S       -      -      -      SI
integration.webhook_gaps           SID      S       -      -      -      -
integration.key_origins            SIU      SIU     -      -      -      -
integration.refused_listings       SIUD     SIU     -      -      -      -
integration.pushes                 SD       -       -      -      -      I
integration.request_budgets        SIUD     SIUD    -      -      -      -
integration.request_ledger         SIUD     SIUD    -      -      -      -
integration.request_shares         SIUD     SIUD    -      -      -      -
integration.publications           S        S       -      -      -      -
integration.history_moves          S        S       -      -      -      -
# the record is written by functions alone
integration.record_batches         -        -       -      -      -      -
integration.record_rows            -        -       -      -      -      -
integration.record_links           -        -       -      -      -      -
integration.workspace_renamings    S        S       -      -      -      -
integration.schema_version         S        -       -      -      -      -
integration.schema_objects         -        -       -      -      -      -
integration.runs                   SIU      -       -      -      -      -
integration.console_audit          I        SI      -      -      -      -
# and what came of one may be updated: by the console that no run was started, by the pipeline the rest
integration.audit_packages         SIU      SI      -      -      -      -
# and the column used_at may be updated
integration.oauth_states           -        SID     -      -      -      -
integration.run_steps              SIUD     S       -      -      -      -
integration.workspace_leases       SIUD     S       -      -      -      -
integration.notifications_sent     SI       -       -      -      -      -
integration.*                      SIUD     -       -      -      -      -
compliance.exception_endings       SI       S       S      -      -      -
compliance.member_employment       SIUD     -       -      S      -      -
# and an open interval, finding or stale period may be ended
compliance.result_history          SI       S       S      -      -      -
compliance.finding_records         SI       S       -      -      -      -
# what is not known yet of a change may become known
compliance.changes                 SIU      S       S      -      -      -
compliance.repository_history      SI       S       S      -      -      -
compliance.member_history          SI       S       S      -      -      -
# of somebody who left more may become known
compliance.leaver_records          SI       -       -      -      -      -
compliance.member_addresses        SI       -       -      -      -      -
compliance.population_counts       SI       S       S      -      -      -
compliance.stale_records           SI       -       -      -      -      -
# written by retention alone
compliance.history_kept            S        S       S      -      -      -
compliance.results                 SIUD     S       -      -      -      -
# the catalogue is an upgrade's to write
compliance.tests                   S        S       S      -      -      -
compliance.test_controls           S        S       S      -      -      -
compliance.reason_codes            S        S       S      -      -      -
compliance.*                       SIUD     S       S      -      -      -
"""
_VIEWS = """
landing.*                          S        -       -      -      -      -
staging.*                          S        -       -      -      -      -
quality.*                          S        -       -      -      -      -
registry.roster                    S        -       -      -      -      -
registry.reading_grants_in_force   S        -       -      -      -      -
registry.newest_access_reviews     -        -       -      -      -      -
registry.*                         S        S       -      -      -      -
integration.connections            S        S       -      -      SIUD   -
integration.request_use            S        S       -      -      -      -
integration.run_counts             S        S       -      -      -      -
integration.webhook_health         S        S       -      -      -      -
integration.unaccepted_findings    S        S       -      -      -      -
integration.*                      S        -       -      -      -      -
compliance.access_review           -        -       -      S      -      -
compliance.access_review_history   S        -       -      S      -      -
compliance.leavers                 S        -       -      S      -      -
compliance.*                       S        S       S      -      -      -
"""
_FUNCTIONS = """
compliance.results_as_of           x        x       x      -      -      -
compliance.control_period          x        x       x      -      -      -
compliance.test_days               x        x       x      -      -      -
compliance.test_period             x        x       x      -      -      -
compliance.completeness            x        x       x      -      -      -
compliance.population              x        x       x      -      -      -
compliance.sample                  x        x       x      -      -      -
compliance.sample_size             x        x       x      -      -      -
compliance.period_state            x        x       x      -      -      -
compliance.score                   x        x       x      -      -      -
integration.keep_findings          -        -       -      -      -      -
integration.keep_history           -        -       -      -      -      -
integration.counted_moves          -        -       -      -      -      -
integration.note_publication       x        -       -      -      -      -
integration.rename_workspace       x        -       -      -      -      -
integration.record_batch           -        -       -      -      -      -
integration.note_record            -        -       -      -      -      -
integration.recorded_tables        x        -       -      -      -      -
integration.row_digest             x        -       -      -      -      -
integration.row_key                -        -       -      -      -      -
integration.record_lines           x        -       -      -      -      -
integration.record_today           x        -       -      -      -      -
integration.link_digest            -        -       -      -      -      -
integration.seal_record            x        x       -      -      -      -
integration.verify_record          x        x       -      -      -      -
integration.forgettable            -        -       -      -      -      -
integration.forget_*               x        -       -      -      -      -
registry.forget_rosters            x        -       -      -      -      -
integration.purge                  -        -       -      -      -      -
integration.purgeable              -        x       -      -      -      -
integration.purgeable_tables       -        -       -      -      -      -
integration.announce_events        x        -       -      -      -      -
integration.main_branch            -        -       -      -      -      x
integration.announce_webhook_events -       -       -      -      -      -
registry.purge_workspace           -        x       -      -      -      -
registry.refuse_decision_by_one_person -    -       -      -      -      -
landing.forget_bodies              x        -       -      -      -      -
quality.*                          x        -       -      -      -      -
judging.*                          x        -       -      -      -      -
registry.valid_evidence            x        x       -      -      -      -
registry.bind_classification       x        x       -      -      -      -
registry.note_employment           -        -       -      -      -      -
staging.glob_matches               x        x       -      -      -      -
staging.refresh_statistics         x        x       -      -      -      -
"""


def expected(relation: str, *, is_view: bool) -> Mapping[str, str]:
    """Letters by role; raises ``LookupError`` for a relation that no pattern covers."""
    return _row(_VIEWS if is_view else _TABLES, relation)


def may_call(function: str) -> Mapping[str, str]:
    """``x`` by role, or ``-``; raises ``LookupError`` for a function that is not in the table."""
    return _row(_FUNCTIONS, function)


def _row(table: str, name: str) -> Mapping[str, str]:
    for line in table.strip().splitlines():
        pattern, *letters = line.split()
        if pattern != "#" and fnmatchcase(name, pattern):
            return dict(zip(ROLES, letters, strict=True))
    raise LookupError(f"{name}: say in tests/contract/privileges.py who may do what to it")
