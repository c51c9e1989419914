# The authentication settings hold the database's password, and MLflow reads them from a file only.
# One worker may remember who is who: a change of a password through it is seen at once, and hashing costs 50 ms a request.
set -eu
umask 077
cat > "$MLFLOW_AUTH_CONFIG_PATH" <<SETTINGS
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = $(printf %s "$AUTH_DATABASE_URI" | sed 's/%/%%/g')
auth_cache_ttl_seconds = 60
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
SETTINGS
unset AUTH_DATABASE_URI
exec mlflow server --host 0.0.0.0 --port 5000 --workers 1 --app-name basic-auth --artifacts-destination "$ARTIFACTS_DESTINATION"
