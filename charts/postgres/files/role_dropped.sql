-- A role of a pipeline whose data are gone, and with them what it might do. Run by the setup role; one that may not change the role
-- leaves it as it is.
SELECT format('DROP ROLE %I', gone.rolname)
FROM pg_roles AS gone, pg_roles AS me
WHERE gone.rolname = :'role' AND me.rolname = current_user
    AND (me.rolsuper OR me.rolcreaterole AND (:SERVER_VERSION_NUM < 160000
        OR pg_has_role(current_user, gone.oid, 'MEMBER WITH ADMIN OPTION'))) \gexec
