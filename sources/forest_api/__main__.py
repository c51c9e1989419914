"""Serves the forest data API; WEB_CONCURRENCY, uvicorn's own variable, sets the number of processes."""

import uvicorn

from forest_api.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    uvicorn.run(
        "forest_api.app:create_app",
        factory=True,
        host=settings.bind_host,
        port=settings.port,
        http="h11",  # httptools, where it is installed too, loses the body of a request that offers HTTP/2
    )
