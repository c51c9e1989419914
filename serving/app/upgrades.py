"""A request that offers another protocol is answered in this one, as RFC 9110 (7.8) lets a server do."""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

INVALID = "Invalid HTTP request received."


class WithoutUpgrades(HttpToolsProtocol):
    """uvicorn's connection, which reads the body of a request that offers HTTP/2 or a WebSocket.

    httptools takes what follows the head of such a request for the other protocol's, so that uvicorn would
    answer the request without its body. Java's HTTP client offers HTTP/2 unless it is told not to.
    """

    def _should_upgrade(self) -> bool:
        """Returns, where uvicorn asks, that a head with an offer begins no request yet."""
        return True

    def data_received(self, data: bytes) -> None:
        """Reads what has come; a head with an offer is read once more without it."""
        self._unset_keepalive_if_required()
        rest: bytes | memoryview = data
        try:
            while True:
                try:
                    self.parser.feed_data(rest)
                    return
                except httptools.HttpParserUpgrade as offer:
                    rest = memoryview(rest)[offer.args[0] :]
                    self._read_head_again()
        except httptools.HttpParserError:
            self.logger.warning(INVALID)
            self.send_400_response(INVALID)

    def _read_head_again(self) -> None:
        method = self.scope["method"]
        if method == "CONNECT":
            raise httptools.HttpParserError("a tunnel is not an offer that can be left")
        line = b"%s %s HTTP/%s\r\n" % (method.encode(), self.url, self.scope["http_version"].encode())
        fields = [b"%s: %s\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.parser.feed_data(b"".join((line, *fields, b"\r\n")))
