-- A database that only its owner enters. Run by the owner.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
