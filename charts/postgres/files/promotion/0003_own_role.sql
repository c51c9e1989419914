-- Only the step that promotes writes the record, by a role of its own: the pipeline's role, which every step has, reads it.
DO $$
DECLARE
    steps text := current_setting('quintet.role');
    promotion text := steps || '_promotion';
BEGIN
    EXECUTE format('REVOKE INSERT ON promotion_decisions, trainings FROM %I', steps);
    EXECUTE format('GRANT SELECT, INSERT ON promotion_decisions, trainings TO %I', promotion);
END $$;
