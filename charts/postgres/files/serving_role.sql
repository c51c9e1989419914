-- What the inference API's role needs to ask who is champion, by the record that migrations have made: these columns of it and
-- nothing else. Run by the owner.
GRANT USAGE ON SCHEMA :"schema" TO :"role";
GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
GRANT SELECT (decision_id, model_name, verdict, challenger_mlflow_run_id, challenger_digest)
    ON :"schema".promotion_decisions TO :"role";
