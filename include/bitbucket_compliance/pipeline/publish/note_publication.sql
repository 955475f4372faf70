-- Purpose: note the instant that the transaction wrote history at; the database counts what it opened and ended.

SELECT integration.note_publication(%(workspace)s, %(published_at)s, %(run_id)s);
