-- A role of a pipeline that is taken away logs in no more. Where its tables stay, so do the role and what it may do with them:
-- migrations say that once. Else the owner of the tables may give up for it what it has. Run by the setup role; one that may not
-- change the role leaves it as it is.
SELECT coalesce((SELECT me.rolsuper OR me.rolcreaterole AND (:SERVER_VERSION_NUM < 160000
        OR pg_has_role(current_user, gone.oid, 'MEMBER WITH ADMIN OPTION'))
    FROM pg_roles AS gone, pg_roles AS me WHERE gone.rolname = :'role' AND me.rolname = current_user), false) AS changes \gset
\if :changes
    ALTER ROLE :"role" NOLOGIN PASSWORD NULL;
    SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity
    WHERE usename = :'role' AND pg_has_role(current_user, usesysid, 'USAGE') \gset
    \if :data
        GRANT :"role" TO :"owner";
    \endif
\endif
