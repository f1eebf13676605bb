"""llama.cpp's own HTTP server by the package xllamacpp: one GGUF file, one port. Ends on TERM.

Ready when GET /health answers 200. Speaks OpenAI's protocol below /v1; how-to: docs/how-to/llm.md.
"""

from __future__ import annotations

import argparse
import signal

import xllamacpp


def main() -> None:
    """Serve until the process is told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--name", required=True, help="what the answers call the model")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--threads", type=int, default=1, help="more than there are idle cores makes it slower")
    parser.add_argument("--parallel", type=int, default=2, help="chats at the same time")
    parser.add_argument("--context", type=int, default=2048, help="tokens of one chat")
    words = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = words.model
    params.model_alias = {words.name}
    params.hostnames, params.port, params.ui = [words.host], words.port, False
    params.n_parallel, params.n_ctx = words.parallel, words.context * words.parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = words.threads
    params.cpuparams.poll = 0
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    server = xllamacpp.Server(params)
    print(f"serving {words.name} at {server.listening_address}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
