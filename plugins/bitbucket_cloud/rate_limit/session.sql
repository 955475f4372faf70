-- Purpose: let no session wait for a consumer's row for long, or keep it locked while its process hangs.

SELECT
    set_config('lock_timeout', '10s', false),
    set_config('statement_timeout', '20s', false),
    set_config('idle_in_transaction_session_timeout', '20s', false);
