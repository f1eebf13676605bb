"""The command line: python3 -m tidegate_serving --artifact model.onnx --port 8080 --name digits --version 2.0.0

Everything it needs is in its arguments; the image sets TIDEGATE_HOST, the address to listen on (else loopback).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="tidegate_serving", description="Serves one ONNX file (Open Inference Protocol v2)."
    )
    parser.add_argument("--artifact", type=Path, required=True, help="the ONNX file")
    parser.add_argument("--name", required=True, help="the model's name in /v2/models/NAME")
    parser.add_argument("--version", default=None, help="the version that answers carry as model_version")
    parser.add_argument("--port", type=int, required=True, help="the TCP port")
    parser.add_argument("--host", default=os.environ.get("TIDEGATE_HOST", "127.0.0.1"), help="default: %(default)s")
    parser.add_argument("--grace", type=int, default=25, help="seconds for requests in flight after TERM (%(default)s)")
    chosen = parser.parse_args()
    sys.argv = sys.argv[:1]  # KServe reads the command line when it is imported; ours is not its
    from tidegate_serving.server import serve

    serve(chosen.artifact, chosen.name, chosen.version, host=chosen.host, port=chosen.port, grace=chosen.grace)


if __name__ == "__main__":
    main()
