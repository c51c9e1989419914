-- Run by the role itself.
ALTER ROLE :"role" IN DATABASE :"DBNAME" SET search_path = :"schema";
