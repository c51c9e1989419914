"""A KServe custom model: `python -m bench.serving.peers.kserve_model --http_port 8080`."""

from argparse import ArgumentParser
from typing import Any

from kserve import Model, ModelServer, model_server

from bench.serving.peers.answering import load


class Forest(Model):
    """Classifies rows."""

    def __init__(self) -> None:
        super().__init__("forest")
        self.labels = load()
        self.ready = True

    async def predict(self, payload: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Returns each instance's label."""
        return {"predictions": self.labels(payload["instances"])}


if __name__ == "__main__":
    parser = ArgumentParser(parents=[model_server.parser])
    arguments, _ = parser.parse_known_args()
    ModelServer(workers=1, enable_grpc=False).start([Forest()])
