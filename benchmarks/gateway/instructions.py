"""What a request costs at the gateway in instructions of the processor, beside a bare Envoy: a figure that no neighbour changes.

    python benchmarks/gateway/instructions.py [--requests 300] [--only split,merge]

run.py's rates and processor times need an idle machine. Here each Envoy runs under valgrind's callgrind, which counts the
instructions that it executes in user mode, and gets run.py's request so many times over one connection; a count is reproduced
within two in a hundred. What the kernel does for a request is not in it.

Needs valgrind and nginx (apt-get install valgrind nginx-light).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "switch"))
import contestants  # noqa: E402 it needs the other benchmark's folder
from contestants import BODY, PATH, BareEnvoy, Tidegate  # noqa: E402 likewise
from proxies import free_port, listens, wait_for  # noqa: E402 likewise

from tidegate.gateway.binary import envoy_binary  # noqa: E402 the lines above come first

WARM = 50
MODELS = ("split", "merge", "prompt", "mirror")


def ask(port: int, path: str, times: int) -> None:
    """So many requests over one connection, each answered with 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    for _ in range(times):
        connection.request("POST", path, BODY, {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} answers {answer.status}: {text[:500].decode(errors='replace')}")
    connection.close()


def count(settings: dict[str, Any], path: str, requests: int, folder: Path) -> float:
    """Instructions for each request, of an Envoy with these settings on a port of its own."""
    folder.mkdir()
    port = free_port()
    settings["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = port
    (folder / "envoy.json").write_text(json.dumps(settings))
    words = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out"]
    words += [envoy_binary(None), "--use-dynamic-base-id", "--concurrency", "1", "-l", "error", "-c", "envoy.json"]
    with (folder / "log").open("wb") as log:
        envoy = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)

    def control(word: str, *more: str) -> None:
        subprocess.run(["callgrind_control", word, *more, str(envoy.pid)], check=True, capture_output=True)

    try:
        wait_for(lambda: listens(port) and answers(port, path), "Envoy under valgrind", 300)
        control("-i", "on")
        ask(port, path, WARM)
        control("-z")
        ask(port, path, requests)
        control("-d", "end")
    finally:
        envoy.kill()
        envoy.wait()
    found = [re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE) for out in folder.glob("out*")]
    return max(int(one[1]) for one in found if one) / requests


def answers(port: int, path: str) -> bool:
    """Whether the routes are there."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", path, BODY, {"content-type": "application/json"})
        return connection.getresponse().status == 200
    finally:
        connection.close()


def main() -> None:
    """Count, and print a line for each way as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=300, help="of each (default 300)")
    parser.add_argument("--only", default=",".join(MODELS), help=f"some of {','.join(MODELS)}")
    arguments = parser.parse_args()
    for program, package in (("valgrind", "valgrind"), ("nginx", "nginx-light")):
        if not shutil.which(program):
            raise SystemExit(f"{program} is not installed. fix: apt-get install {package}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-instructions-")))
        backend = contestants.backend(folder / "backend")
        stack.callback(backend.close)
        BareEnvoy(folder / "bare", backend.port).close()  # for its settings
        settings = json.loads((folder / "bare" / "envoy.json").read_text())
        bare = count(settings, PATH, arguments.requests, folder / "counted-bare")
        print(f"{'bare Envoy':18}{bare:>10,.0f} instructions a request", flush=True)
        tidegate = Tidegate(folder / "tidegate", contestants.four_models(backend.port))
        stack.callback(tidegate.close)
        started = (folder / "tidegate/gateway").rglob("*.json")
        text = next(found for file in started if "static_resources" in (found := file.read_text()))
        for model in arguments.only.split(","):
            own = count(json.loads(text), f"/{model}{PATH}", arguments.requests, folder / f"counted-{model}")
            print(f"{f'Tidegate, {model}':18}{own:>10,.0f}, a bare Envoy's are {bare / own:.2f} of them", flush=True)


if __name__ == "__main__":
    main()
