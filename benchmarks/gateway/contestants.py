"""What run.py measures side by side: proxies that all lead to one backend, each with one worker.

The backend is nginx with a fixed answer, in the shape of an OpenAI chat completion. It says in a header how long the body was
that it got: so it can be seen that a merge took place.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from proxies import free_port, listens, wait_for  # beside the benchmark of switches

from tidegate.gateway import process
from tidegate.gateway.binary import envoy_binary
from tidegate.gateway.files import Folder
from tidegate.gateway.model import Arm, Route, Table, Upstream
from tidegate.gateway.supervisor import Gateway
from tidegate.spec.controller import GatewaySettings

PATH = "/v1/chat/completions"
BODY = (
    '{"messages":[{"role":"user","content":"Which tide gates of the harbour have to be shut tonight, and '
    'who has the keys? Answer in two sentences, name the gates by their numbers, and say what you are not sure of."}],'
    '"max_tokens":128,"stream":false}'
)
ANSWER = (
    '{"id":"chat-1","object":"chat.completion","created":1700000000,"model":"digits","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"Gates 3 and 7 have to be shut by nine; the keys are with the harbour office. I am not '
    'sure of gate 9, whose motor was being repaired this morning."},"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":48,"completion_tokens":39,"total_tokens":87}}'
)
PARAMETERS = {"temperature": 0, "seed": 7}
PROMPT = "You answer for the harbour office. Be short, be exact, and never guess: say so when you do not know."
MILLION = 1_000_000


class Nginx:
    """nginx with one worker; `server` is what stands in its server block."""

    def __init__(self, folder: Path, server: str, upstream: int | None = None) -> None:
        folder.mkdir()
        self.port = free_port()
        temporary = "\n".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        kept = f"upstream backend {{ server 127.0.0.1:{upstream}; keepalive 64; }}" if upstream else ""
        (folder / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
{temporary}
access_log off; keepalive_requests 100000000; default_type application/json;
{kept}
server {{ listen 127.0.0.1:{self.port}; {server} }}
}}
""")
        self._process = subprocess.Popen(["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"])
        self.pid = self._process.pid
        wait_for(lambda: listens(self.port), "nginx")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


def backend(folder: Path) -> Nginx:
    """Answers at once, and says what length of body it was sent."""
    return Nginx(folder, f"location / {{ add_header x-got $content_length; return 200 '{ANSWER}'; }}")


def plain_nginx(folder: Path, upstream: int) -> Nginx:
    """nginx as a proxy and nothing else."""
    passed = 'proxy_http_version 1.1; proxy_set_header Connection "";'
    return Nginx(folder, f"location / {{ proxy_pass http://backend; {passed} }}", upstream)


class BareEnvoy:
    """The same Envoy as Tidegate's with one listener, one route and one cluster: no record, no split, no filter."""

    def __init__(self, folder: Path, upstream: int) -> None:
        folder.mkdir()
        self.port = free_port()
        manager = {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bare",
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}],
                    }
                ]
            },
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
                }
            ],
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        server = {"endpoint": {"address": _address(upstream)}}
        (folder / "envoy.json").write_bytes(
            orjson.dumps(
                {
                    "static_resources": {
                        "listeners": [{"name": "public", "address": _address(self.port), "filter_chains": [chain]}],
                        "clusters": [
                            {
                                "name": "backend",
                                "type": "STATIC",
                                "load_assignment": {
                                    "cluster_name": "backend",
                                    "endpoints": [{"lb_endpoints": [server]}],
                                },
                            }
                        ],
                    }
                }
            )
        )
        words = ["--use-dynamic-base-id", "--concurrency", "1", "-l", "error", "-c", str(folder / "envoy.json")]
        self._process = subprocess.Popen([envoy_binary(None), *words])
        self.pid = self._process.pid
        wait_for(lambda: listens(self.port), "Envoy")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class Tidegate:
    """The gateway room, as the engine uses it, with this table."""

    def __init__(self, folder: Path, table: Table) -> None:
        self.port = free_port()
        self.gateway = Gateway(GatewaySettings(address=f"127.0.0.1:{self.port}", concurrency=1), folder)
        self.gateway.start()
        running = process.find(Folder(folder / "gateway"))
        assert running is not None
        self.pid = running.pid
        wait_for(lambda: self.gateway.apply(table).done, "the routes to be live")

    def lines(self, model: str, atleast: int, *, shadow: bool = False) -> int:
        """How many lines users' requests for this model have in the record, which begins anew.

        `shadow`: waits for as many lines of its shadow, too.
        """
        wanted, copy = f'"route":"{model}"'.encode(), b'"role":"shadow"'

        def count(copies: bool) -> int:
            with self.gateway.record.open("rb") as lines:
                return sum(wanted in line and (copy in line) == copies for line in lines)

        for copies in (False, True)[: 1 + shadow]:
            wait_for(lambda: count(copies) >= atleast, f"{atleast} lines in the record", seconds=20)  # noqa: B023 asked at once
        found = count(False)
        for closed in (self.gateway.rotate_record(), self.gateway.rotate_answers()):
            if closed is not None:
                closed.unlink()
        return found

    def close(self) -> None:
        """End it."""
        self.gateway.stop(grace=1.0)


def four_models(upstream: int) -> Table:
    """Four models that stand for what is measured."""

    def arm(release: str, role: str, weight: int) -> Arm:
        return Arm(release, role, "1.0.0", "default", "c0ffee", "old" if role == "stable" else "new", weight)

    def pair(model: str) -> tuple[Arm, Arm]:
        return arm(f"{model}-1a2b3c4d", "stable", MILLION // 2), arm(f"{model}-5e6f7a8b", "candidate", MILLION // 2)

    def merged(model: str, **more: Any) -> tuple[Arm, ...]:
        return tuple(replace(one, **more) for one in pair(model))

    routes = (
        Route("split", None, pair("split")),
        Route("merge", None, merged("merge", body=PARAMETERS)),
        Route("prompt", None, merged("prompt", prompt=PROMPT)),
        Route("mirror", None, (arm("mirror-1a2b", "stable", MILLION),), shadow=arm("mirror-5e6f", "shadow", MILLION)),
    )
    return Table(tuple(Upstream(name, (("127.0.0.1", upstream),)) for name in ("old", "new")), routes)


class MLflow:
    """MLflow's AI gateway in an environment of its own: its server of a fixed configuration, which asks no database."""

    path = "/gateway/chat/invocations"

    def __init__(self, folder: Path, upstream: int, command: Path) -> None:
        folder.mkdir()
        self.port = free_port()
        (folder / "gateway.yaml").write_text(f"""
endpoints:
- name: chat
  endpoint_type: llm/v1/chat
  model:
    provider: openai
    name: digits
    config: {{openai_api_base: "http://127.0.0.1:{upstream}/v1", openai_api_key: none}}
""")
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        words = ["gateway", "start", "--config-path", str(folder / "gateway.yaml"), "--port", str(self.port)]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(command), *words, "--workers", "1"], env=os.environ | quiet, stdout=log, stderr=log, cwd=folder
            )
        self.pid = self._process.pid
        wait_for(lambda: listens(self.port), "MLflow's gateway")

    def close(self) -> None:
        """End it and its workers: at SIGTERM it waits for a change of its file first."""
        for one in family(self.pid):
            os.kill(one, signal.SIGKILL)
        self._process.wait()


def install_mlflow(folder: Path, requirements: Path) -> Path:
    """Its command, in a fresh environment."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)
    return folder / "bin/mlflow"


def family(pid: int) -> list[int]:
    """A process and all that it started; of 0 nobody."""
    if not pid:
        return []
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and all that it started have used so far."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
