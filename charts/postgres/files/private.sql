-- A database that only its owner enters, and a superuser. Run by the owner.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
