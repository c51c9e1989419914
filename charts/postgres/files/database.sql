-- A database of its owner. Run by the setup role.
SELECT format('DO $do$ BEGIN RAISE EXCEPTION USING MESSAGE = %L; END $do$', format(
    'The database %1$s belongs to %2$s, and not to %3$s: ALTER DATABASE %1$s OWNER TO %3$s.',
    :'database', pg_get_userbyid(datdba), :'owner'))
FROM pg_database WHERE datname = :'database' AND pg_get_userbyid(datdba) <> :'owner' \gexec

SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') AS absent,
    rolsuper OR rolcreatedb AS creates, :SERVER_VERSION_NUM >= 160000 AS tells_set
FROM pg_roles WHERE rolname = current_user \gset
\if :absent
    SELECT format('DO $do$ BEGIN RAISE EXCEPTION USING MESSAGE = %L; END $do$', format(
        'The database %s is not there, and the setup role %s has no CREATEDB to make it: make it as docs/operations.md says.',
        :'database', current_user)) WHERE NOT :'creates' \gexec
    -- Only who can become the owner may give it a database; to have made the owner is not enough.
    \set privilege MEMBER
    \if :tells_set
        \set privilege SET
    \endif
    SELECT NOT pg_has_role(current_user, :'owner', :'privilege') AS joins \gset
    \if :joins
        GRANT :"owner" TO CURRENT_USER;
    \endif
    CREATE DATABASE :"database" OWNER :"owner";
    \if :joins
        REVOKE :"owner" FROM CURRENT_USER;
    \endif
\endif
