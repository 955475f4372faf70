-- Purpose: for each test of merging, by what its repositories were decided, as a sentence.

SELECT
    counted.test_id,
    format(
        'of %%s repositories %%s were decided by their own rules, %%s by an open pull request, %%s by behaviour, '
        || '%%s by evidence; %%s are undecided',
        counted.subjects,
        counted.by_settings,
        counted.by_open_pull_request,
        counted.by_behaviour,
        counted.by_evidence,
        counted.undecided
    ) AS told
FROM compliance.decided_by AS counted
WHERE counted.workspace = %(workspace)s AND counted.test_id = any(%(tests_of_merging)s)
ORDER BY counted.test_id;
