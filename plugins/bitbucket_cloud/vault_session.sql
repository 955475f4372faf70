-- Purpose: act in the vault's role until the transaction ends. No time limit of the server may end a transaction that
-- waits for Bitbucket, and a machine that died must not hold its lock for hours; settings that this server doesn't know
-- are left out.
SELECT
    set_config('role', coalesce(%(role)s, current_setting('role')), true),
    (
        SELECT count(set_config(settings.name, wanted.value, true))
        FROM pg_settings AS settings
        INNER JOIN (
            VALUES
            ('lock_timeout', %(lock_timeout)s),
            ('statement_timeout', '0'),
            ('transaction_timeout', '0'),
            ('idle_in_transaction_session_timeout', '0'),
            ('synchronous_commit', 'on'),
            ('tcp_keepalives_idle', '15'),
            ('tcp_keepalives_interval', '5'),
            ('tcp_keepalives_count', '3')
        ) AS wanted (name, value) ON settings.name = wanted.name
    ) AS settings;
