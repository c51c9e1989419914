"""Asks one service whether it is there, and prints its answer: answers.py URL, or URL and a body to post.

Where USERNAME and PASSWORD are in the environment, it asks as that user.
"""

import base64
import os
import sys
import urllib.error
import urllib.request

url, *body = sys.argv[1:]
headers = {"Content-Type": "application/json"}
if "USERNAME" in os.environ:
    login = f"{os.environ['USERNAME']}:{os.environ['PASSWORD']}"
    headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
request = urllib.request.Request(url, body[0].encode() if body else None, headers)
try:
    with urllib.request.urlopen(request, timeout=30) as response:
        print(f"{url}: {response.status} {response.read(2000).decode()}")
except urllib.error.HTTPError as error:
    answer = error.read(2000).decode()
    # Before the first training there is no champion, and the API says so; anything else is a failure.
    if not (body and error.code == 503 and "champion" in answer):
        sys.exit(f"{url}: {error.code} {answer}")
    print(f"{url}: no champion yet: {answer}")
