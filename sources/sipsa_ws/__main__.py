"""Serves SIPSA."""

import uvicorn

from sipsa_ws.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    uvicorn.run(
        "sipsa_ws.app:create_app",
        factory=True,
        host=settings.bind_host,
        port=settings.port,
        http="h11",  # httptools, where it is installed too, loses the body of a request that offers HTTP/2
    )
