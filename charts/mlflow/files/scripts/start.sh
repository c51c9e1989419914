# The authentication settings hold the database's password, and MLflow reads them from a file only.
# One worker may remember who is who: a change of a password through it is seen at once, and hashing costs 50 ms a request.
set -eu
umask 077

# A Postgres whose pod or node is killed says no farewell: connections to it would wait 15 minutes for the kernel.
with_timeouts() {
    case $1 in *\?*) separator='&' ;; *) separator='?' ;; esac
    printf %s "$1${separator}connect_timeout=5&keepalives_idle=10&keepalives_interval=5&keepalives_count=2&tcp_user_timeout=20000"
}

MLFLOW_BACKEND_STORE_URI=$(with_timeouts "$MLFLOW_BACKEND_STORE_URI")
export MLFLOW_BACKEND_STORE_URI
cat > "$MLFLOW_AUTH_CONFIG_PATH" <<SETTINGS
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = $(with_timeouts "$AUTH_DATABASE_URI" | sed 's/%/%%/g')
auth_cache_ttl_seconds = 60
authorization_function = access:authenticate
SETTINGS
unset AUTH_DATABASE_URI
# Where access.py is.
PYTHONPATH=$(dirname "$0")
export PYTHONPATH
exec python /app/one_process.py server --host 0.0.0.0 --port 5000 --workers 1 --app-name basic-auth --artifacts-destination "$ARTIFACTS_DESTINATION"
