"""Asks one service whether it is there, and prints its answer: answers.py URL.

Where USERNAME and PASSWORD are in the environment, it asks as that user.
"""

import base64
import os
import sys
import urllib.request

url = sys.argv[1]
request = urllib.request.Request(url)
if "USERNAME" in os.environ:
    login = f"{os.environ['USERNAME']}:{os.environ['PASSWORD']}"
    request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
with urllib.request.urlopen(request, timeout=30) as response:
    print(f"{url}: {response.status} {response.read(2000).decode()}")
