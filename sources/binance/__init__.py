"""Binance's public market data: the real hourly bars of BTCUSDT, by the protocol of its spot REST API."""
