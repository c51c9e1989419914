"""Variables of a shell by which clients go elsewhere, or as somebody else, whatever a platform's own say."""

import os
from collections.abc import Iterable

OF_S3 = (
    # Beside a key of ours these make it another's, or one that is refused.
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "MLFLOW_S3_ENDPOINT_URL",
)
OF_POSTGRES = (
    # libpq fills in from them whatever a URL leaves out.
    *("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGDATABASE"),
    *("PGSERVICE", "PGSERVICEFILE", "PGOPTIONS", "PGTARGETSESSIONATTRS", "PGREQUIREAUTH", "PGREQUIREPEER"),
    *("PGSSLMODE", "PGSSLNEGOTIATION", "PGSSLCERT", "PGSSLKEY", "PGSSLROOTCERT", "PGSSLCRL", "PGREQUIRESSL"),
    *("PGCHANNELBINDING", "PGGSSENCMODE"),
)
OF_MLFLOW = (
    *("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4"),
    *("MLFLOW_REGISTRY_URI", "MLFLOW_WORKSPACE"),
    *("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_MODEL_NAME"),
)
OF_THE_CLUSTER = (
    *("HELM_KUBECONTEXT", "HELM_KUBEAPISERVER", "HELM_KUBETOKEN", "HELM_KUBEASUSER", "HELM_NAMESPACE"),
    *("SKAFFOLD_KUBE_CONTEXT", "SKAFFOLD_KUBECONFIG", "SKAFFOLD_NAMESPACE", "SKAFFOLD_PROFILE"),
)


def forget(names: Iterable[str]) -> None:
    """Take variables out of this process' environment."""
    for name in names:
        os.environ.pop(name, None)
