-- Purpose: one page of the audit packages of a workspace, the newest first.

SELECT
    packages.package_id,
    packages.dag_run_id,
    packages.first_day,
    packages.last_day,
    packages.framework,
    packages.seed,
    packages.people,
    packages.frequency,
    packages.read_samples,
    packages.requested_by,
    packages.requested_at,
    packages.ended_at,
    packages.bytes,
    packages.manifest_sha256,
    packages.problems,
    packages.error,
    packages.deleted_at,
    count(*) OVER () AS total
FROM integration.audit_packages AS packages
WHERE packages.workspace = %(workspace)s
ORDER BY packages.requested_at DESC, packages.package_id ASC
LIMIT %(limit)s::bigint OFFSET %(offset)s;
