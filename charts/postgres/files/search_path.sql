-- Run by the role itself.
ALTER ROLE :"role" IN DATABASE quintet SET search_path = :"schema";
