-- What a role that is taken away may do in this database. Run by the owner, who is a member of it by then.
SELECT coalesce((SELECT pg_has_role(current_user, oid, 'USAGE') FROM pg_roles WHERE rolname = :'role'), false) AS member \gset
\if :member
    DROP OWNED BY :"role";
\endif
