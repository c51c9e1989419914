"""Asks an inference API for one prediction: predicts.py URL BODY. Without a champion it must say that."""

import json
import sys
import urllib.error
import urllib.request

url, body = sys.argv[1:]
request = urllib.request.Request(f"{url}/predict", body.encode(), {"Content-Type": "application/json"})
try:
    with urllib.request.urlopen(request, timeout=30) as response:
        print(response.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
    with urllib.request.urlopen(f"{url}/metadata", timeout=30) as response:
        registry = json.load(response)["registry"]
    if error.code != 503 or not registry["reachable"] or registry["refused"]:
        sys.exit(f"no prediction, and the registry says: {registry}")
    print(f"no champion yet: {registry['detail']}")
