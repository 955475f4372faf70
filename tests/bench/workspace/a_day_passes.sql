-- Purpose: move everything that the pipeline wrote down with its own clock a day into the past, which looks to the next
-- run as if it had started a day later. Times that Bitbucket gave, or people, stay as they are.

ALTER TABLE landing.objects DISABLE TRIGGER USER;
ALTER TABLE compliance.result_history DISABLE TRIGGER USER;
ALTER TABLE integration.publications DISABLE TRIGGER USER;

UPDATE landing.repository_reads SET read_at = read_at - interval '1 day';
-- of older runs nobody asks when they called
UPDATE landing.calls SET fetched_at = fetched_at - interval '1 day'
WHERE run_id = (SELECT run_id FROM integration.runs ORDER BY started_at DESC LIMIT 1);
UPDATE landing.objects
SET fetched_at = fetched_at - interval '1 day', first_fetched_at = first_fetched_at - interval '1 day';
UPDATE integration.runs
SET started_at = started_at - interval '1 day', finished_at = finished_at - interval '1 day';
UPDATE staging.repositories SET data_as_of = data_as_of - interval '1 day', read_at = read_at - interval '1 day';
UPDATE staging.coverage SET data_as_of = data_as_of - interval '1 day';
UPDATE compliance.result_history
SET valid_from = valid_from - interval '1 day', valid_to = valid_to - interval '1 day';
UPDATE integration.publications SET published_at = published_at - interval '1 day';

ALTER TABLE landing.objects ENABLE TRIGGER USER;
ALTER TABLE compliance.result_history ENABLE TRIGGER USER;
ALTER TABLE integration.publications ENABLE TRIGGER USER;
