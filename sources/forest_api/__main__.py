"""Serves the forest data API; WEB_CONCURRENCY, uvicorn's own variable, sets the number of processes."""

import uvicorn

from forest_api.settings import Settings

if __name__ == "__main__":
    uvicorn.run("forest_api.app:create_app", factory=True, host="0.0.0.0", port=Settings().port)  # noqa: S104
