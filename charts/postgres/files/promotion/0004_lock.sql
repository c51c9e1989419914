-- What one promotion at a time locks. Only its role may: to lock a row takes the right to change it, which changes nothing
-- here, as the row can hold no other value. An advisory lock was everybody's in the database.
CREATE TABLE promotion_lock (
    one boolean PRIMARY KEY DEFAULT true CHECK (one)
);
INSERT INTO promotion_lock DEFAULT VALUES;

DO $$ BEGIN
    EXECUTE format('GRANT SELECT, UPDATE ON promotion_lock TO %I', current_setting('quintet.role') || '_promotion');
END $$;
