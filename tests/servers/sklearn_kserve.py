"""What a user of KServe writes: a scikit-learn model behind KServe's own ModelServer. `--model FILE --version TEXT`."""

import argparse
import uuid

import joblib
import kserve
import numpy
from kserve.protocol.infer_type import InferOutput, InferRequest, InferResponse


class Classifier(kserve.Model):
    """One joblib file. A request's parameter `add` is added to what is asked."""

    def __init__(self, path: str, version: str) -> None:
        super().__init__("numbers")
        self.path, self.version = path, version

    def load(self) -> bool:
        self.found = joblib.load(self.path)
        self.ready = True
        return True

    def predict(self, payload: InferRequest, headers=None, response_headers=None) -> InferResponse:
        asked = numpy.asarray(payload.inputs[0].data, float).reshape(-1, 1)
        told = self.found.predict(asked + float((payload.parameters or {}).get("add", 0)))
        output = InferOutput("predict", list(told.shape), "INT64", data=told.astype(int).tolist())
        return InferResponse(payload.id or str(uuid.uuid4()), "numbers", [output], model_version=self.version)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
    parser.add_argument("--model", required=True)
    parser.add_argument("--version", required=True)
    words, _ = parser.parse_known_args()
    model = Classifier(words.model, words.version)
    model.load()
    kserve.ModelServer(workers=1).start([model])
