"""Serves the market data in one process: weights are counted in its memory."""

import uvicorn

from binance.app import create_app
from binance.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    uvicorn.run(
        create_app(settings),
        host=settings.bind_host,
        port=settings.port,
        http="h11",  # httptools, where it is installed too, loses the body of a request that offers HTTP/2
    )
