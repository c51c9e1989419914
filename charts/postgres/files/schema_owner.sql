-- Whose a schema is stands in its comment. Refuses one of another pipeline; one that is there without a comment is only taken over
-- where `adopts` says so: by the platform, whose schemas had none once. Run by the owner.
SELECT format('DO $do$ BEGIN RAISE EXCEPTION USING MESSAGE = %L; END $do$', format(
    'The schema %s is there already and %s, and not of the pipeline %s: give the schema another name in pipeline.yaml.',
    :'schema', coalesce('says "' || obj_description(oid, 'pg_namespace') || '"', 'of nobody whom Quintet knows'), :'pipeline'))
FROM pg_namespace
WHERE nspname = :'schema'
    AND coalesce(obj_description(oid, 'pg_namespace') <> 'Of the pipeline ' || :'pipeline', NOT :'adopts'::boolean) \gexec
