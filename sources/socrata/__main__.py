"""Serves the SODA API in one process: the rows are held in its memory."""

import uvicorn

from socrata.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    uvicorn.run(
        "socrata.app:create_app",
        factory=True,
        host=settings.bind_host,
        port=settings.port,
        http="h11",  # httptools, where it is installed too, loses the body of a request that offers HTTP/2
    )
