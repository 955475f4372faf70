-- Purpose: let the session have the receiver's rights and no others, where its login has more. Dates travel in
-- the only form that the driver reads, whatever the server, the database and the login set.

SELECT
    set_config(
        'role',
        CASE
            WHEN
                pg_has_role(
                    current_user,
                    'compliance_receiver',
                    CASE
                        WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER'
                    END
                )
                THEN 'compliance_receiver'
            ELSE current_user
        END,
        false
    ),
    set_config('DateStyle', 'ISO, MDY', false),
    set_config('client_encoding', 'UTF8', false);
