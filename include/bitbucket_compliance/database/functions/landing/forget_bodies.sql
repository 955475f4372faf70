-- Purpose: delete up to so many bodies of a workspace that no run has seen since an instant, 30 days ago or earlier;
-- how many went. The newest body of an object stays, however old it is, unless it is of what only grows: a pull request
-- that is known as merged, with what was looked up of it, and was not seen since the second instant, and pipeline runs
-- that newer ones followed.

CREATE FUNCTION landing.forget_bodies(
    of_workspace text, unseen_since timestamptz, merged_unseen_since timestamptz, most integer
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $forget$
DECLARE
    deleted bigint;
BEGIN
    IF greatest(unseen_since, merged_unseen_since) > clock_timestamp() - interval '30 days' THEN
        RAISE EXCEPTION 'what Bitbucket answered is kept for 30 days at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM landing.objects AS objects
    WHERE
        objects.ctid = any(ARRAY(
            SELECT old.ctid
            FROM landing.objects AS old
            WHERE
                old.workspace = of_workspace
                -- What was not seen since was first seen before: there is an index of that.
                AND old.first_fetched_at < unseen_since
                AND old.fetched_at < unseen_since
                AND (
                    EXISTS (
                        SELECT 1
                        FROM landing.objects AS newer
                        WHERE
                            newer.workspace = old.workspace
                            AND newer.resource = old.resource
                            AND newer.object_key = old.object_key
                            AND (newer.fetched_at, newer.first_fetched_at) > (old.fetched_at, old.first_fetched_at)
                    )
                    OR (
                        old.resource IN ('pull_requests', 'pull_request_statuses', 'pull_request_activity')
                        AND old.fetched_at < merged_unseen_since
                        AND EXISTS (
                            SELECT 1
                            FROM staging.pull_requests AS known
                            WHERE
                                known.workspace = old.workspace
                                AND known.repository_id = old.repository_id
                                AND known.pull_request_id
                                = coalesce(old.body ->> 'pull_request_id', old.body ->> 'id')::bigint
                                AND known.merged_on < merged_unseen_since
                        )
                    )
                    OR (
                        old.resource = 'pipelines'
                        AND EXISTS (
                            SELECT 1
                            FROM landing.objects AS newer
                            WHERE
                                newer.workspace = old.workspace
                                AND newer.resource = 'pipelines'
                                AND newer.repository_id = old.repository_id
                                AND newer.fetched_at > old.fetched_at
                        )
                    )
                )
            LIMIT most
        ))
        -- One that a run saw in the meantime is another row by now.
        AND objects.fetched_at < unseen_since;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$forget$;

GRANT EXECUTE ON FUNCTION landing.forget_bodies(text, timestamptz, timestamptz, integer) TO compliance_pipeline;
