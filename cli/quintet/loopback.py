"""HTTP to this machine's own ports, whatever proxy the environment names."""

import requests


def session() -> requests.Session:
    """Make a session that sends nothing to a proxy, nor what is in a ``.netrc``."""
    made = requests.Session()
    made.trust_env = False
    return made
