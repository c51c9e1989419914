-- Run by the owner.
DROP SCHEMA IF EXISTS :"schema" CASCADE;
