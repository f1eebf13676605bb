"""Is a model server ready? One GET, judged by its status code only: the bodies of the engines in use all differ.

Neighbours: the engine probes every instance that runs; the reason is kept for messages.
"""

from __future__ import annotations

import http.client
from urllib.parse import quote


def probe(address: tuple[str, int], path: str, timeout: float) -> tuple[bool, str]:
    """Ask once; `timeout` in seconds for each wait on the network. True with a 2xx, and the reason in words either way.

    No proxy, no redirect, no kept connection.
    """
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request(
            "GET", quote(path, safe="/?&=%:,;@+$!*'()~"), headers={"Connection": "close", "User-Agent": "tidegate"}
        )
        answer = connection.getresponse()
        line = f"{answer.status} {answer.reason}".strip()
        if 200 <= answer.status < 300:
            return True, line
        words = answer.read(200).decode("utf-8", "replace").split()
        return False, f"{line}: {' '.join(words)}" if words else line
    except TimeoutError:
        return False, f"no answer within {timeout:g} s"
    except OSError as error:
        return False, f"no connection to {address[0]}:{address[1]}: {error.strerror or error}"
    except http.client.HTTPException as error:
        return False, f"answered something that is not HTTP: {error!r}"
    finally:
        connection.close()
