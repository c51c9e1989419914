-- A login role with the password of its Secret: made where absent, else given that password and limit again. Run by the
-- setup role. One that may not change the role leaves it as it is; that the Secret fits shows when the role logs in.
\set password `cat :'secrets'/:'secret'/password`
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS absent,
    rolsuper OR rolcreaterole AS creates FROM pg_roles WHERE rolname = current_user \gset
\if :absent
    SELECT format('DO $do$ BEGIN RAISE EXCEPTION USING MESSAGE = %L; END $do$', format(
        'The role %s is not there, and the setup role %s has no CREATEROLE to make it: make it as docs/operations.md says.',
        :'role', current_user)) WHERE NOT :'creates' \gexec
    CREATE ROLE :"role";
\endif
-- Since Postgres 16, CREATEROLE reaches only the roles that one has made or was given with the admin option.
SELECT rolsuper OR rolcreaterole AND (:SERVER_VERSION_NUM < 160000
    OR pg_has_role(current_user, :'role', 'MEMBER WITH ADMIN OPTION')) AS changes
FROM pg_roles WHERE rolname = current_user \gset
\if :changes
    -- A statement that fails, takes long or is logged for another reason would put the password into the server's log: no
    -- statement of this session is logged, where the setup role may forbid it.
    SELECT format('SET %s = %L', name, value) FROM (VALUES ('log_statement', 'none'), ('log_min_error_statement', 'panic'),
        ('log_min_duration_statement', '-1'), ('log_min_duration_sample', '-1'), ('log_transaction_sample_rate', '0')) AS quiet(name, value)
    WHERE has_parameter_privilege(name, 'SET') \gexec
    ALTER ROLE :"role" LOGIN CONNECTION LIMIT :connections PASSWORD :'password';
\endif
