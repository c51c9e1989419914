-- Large objects are in no schema: whoever enters a database may make them, and here nobody has a use for them. Run by the
-- setup role; only a superuser can forbid them.
SELECT rolsuper AS forbids FROM pg_roles WHERE rolname = current_user \gset
\if :forbids
    \connect :database
    SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure) FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace
        AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_put', 'lowrite') \gexec
\endif
