-- What one application may take from the others, beside its sessions. Run by the role itself.
ALTER ROLE :"role" SET statement_timeout = :'statement_timeout';
ALTER ROLE :"role" SET lock_timeout = :'lock_timeout';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = :'idle_timeout';
