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
    -- A failing statement would put the password into the log, where the setup role may not forbid it.
    SELECT 'SET log_min_error_statement = ''panic''' WHERE has_parameter_privilege('log_min_error_statement', 'SET') \gexec
    ALTER ROLE :"role" LOGIN CONNECTION LIMIT :connections PASSWORD :'password';
\endif
