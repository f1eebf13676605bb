"""TLS for callers at a real Envoy: certificates that are renewed under load, callers' own certificates, files that are wrong."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.engine import eventually
from support.gateways import World, pid_of, split, stopped
from tidegate.gateway import certificate
from tidegate.gateway.admin import Admin
from tidegate.gateway.bootstrap import ADMIN_SOCKET
from tidegate.gateway.supervisor import Gateway
from tidegate.spec.errors import NeedsPerson, RetryLater


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authority:
    """A certificate authority in a folder; `issue` writes NAME.pem and NAME.key."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.file = folder / "ca.pem"
        self.curve = "P-256"
        self._new("/CN=test authority", "ca", "-x509", "-days", "30")

    def _new(self, subject: str, name: str, *more: str) -> None:
        key, out = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        key_of = ("-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{self.curve}", "-nodes")
        openssl("req", "-subj", subject, *key_of, "-keyout", str(key), "-out", str(out), *more)

    def issue(self, name: str, days: int = 30) -> tuple[Path, Path]:
        self._new(f"/CN={name}", name, "-addext", "subjectAltName=DNS:localhost")
        request, signed = self.folder / f"{name}.pem", self.folder / f"{name}.crt"
        ca = ("-CA", str(self.file), "-CAkey", str(self.folder / "ca.key"), "-CAcreateserial")
        openssl(
            "x509",
            "-req",
            "-in",
            str(request),
            *ca,
            "-days",
            str(days),
            "-copy_extensions",
            "copy",
            "-out",
            str(signed),
        )
        signed.replace(request)
        return request, self.folder / f"{name}.key"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def put(pair: tuple[Path, Path], folder: Path) -> dict[str, str]:
    """Copy a pair to where the gateway's settings name it, in place, as many programs renew."""
    folder.mkdir(exist_ok=True)
    files = {"certificate": folder / "server.pem", "key": folder / "server.key"}
    for source, file in zip(pair, files.values(), strict=True):
        shutil.copy(source, file)
    return {name: str(file) for name, file in files.items()}


@contextlib.contextmanager
def connect(world: World, trusted: Path, own: tuple[Path, Path] | None = None) -> Iterator[http.client.HTTPSConnection]:
    context = ssl.create_default_context(cafile=str(trusted))
    if own is not None:
        context.load_cert_chain(*own)
    connection = http.client.HTTPSConnection("localhost", world.port, timeout=10, context=context)
    try:
        connection.connect()
        yield connection
    finally:
        connection.close()


def serial(connection: http.client.HTTPSConnection) -> str:
    assert isinstance(connection.sock, ssl.SSLSocket)
    found = connection.sock.getpeercert()
    assert found is not None
    return str(found["serialNumber"])


def asks(connection: http.client.HTTPSConnection) -> int:
    connection.request("POST", "/digits/", b"{}")
    response = connection.getresponse()
    response.read()
    return response.status


def renew(gateway: Gateway) -> bool:
    """As the controller does in each pass."""
    gateway.renew(time.time())
    return True


def served(world: World, trusted: Path) -> str:
    """The serial number of the certificate that a new connection sees."""
    with connect(world, trusted) as connection:
        return serial(connection)


def test_a_renewed_certificate_is_served_while_open_connections_go_on(
    world: World, authority: Authority, tmp_path: Path
) -> None:
    tls = put(authority.issue("one"), tmp_path / "tls")
    gateway = world.open(tls=tls)
    gateway.start()
    world.settle(gateway, split(0))
    with pytest.raises(OSError):
        assert world.ask("/digits/").status < 200
    with connect(world, authority.file) as kept:
        first = serial(kept)
        assert asks(kept) == 200
        shutil.copy(authority.issue("other")[0], tls["certificate"])
        with pytest.raises(NeedsPerson, match="no certificate and its key"):
            gateway.renew(time.time())
        assert served(world, authority.file) == first
        authority.curve = "secp256k1"  # a pair, but none that Envoy takes
        put(authority.issue("odd"), tmp_path / "tls")
        with pytest.raises(NeedsPerson, match=r"Envoy does not take it: .* certificate chain"):
            eventually(lambda: renew(gateway) and None)
        assert served(world, authority.file) == first
        authority.curve = "P-256"
        put(authority.issue("two"), tmp_path / "tls")
        eventually(lambda: renew(gateway) and served(world, authority.file) != first)
        assert asks(kept) == 200, "the same connection"
        assert serial(kept) == first
    private = Path(tls["key"]).read_text().split("\n")[1]
    dump = Admin(world.state / "gateway" / ADMIN_SOCKET).call("GET", "/config_dump?include_eds")[1].decode()
    assert "redacted" in dump and private not in dump
    file = world.state / "gateway" / "config" / "certificate.json"
    assert private in file.read_text() and file.stat().st_mode & 0o777 == 0o600


def test_a_first_certificate_that_envoy_refuses_is_told_at_every_start_until_another_one_serves(
    world: World, authority: Authority, tmp_path: Path
) -> None:
    authority.curve = "secp256k1"  # a pair, but none that Envoy takes
    tls = put(authority.issue("odd"), tmp_path / "tls")
    gateway = world.open(tls=tls)
    gateway.start()
    with pytest.raises(NeedsPerson, match=r"Envoy does not take it: .* certificate chain"):
        eventually(lambda: renew(gateway) and None)
    again = world.open(tls=tls)  # a controller that finds this file written already
    again.start()
    for _ in range(2):
        with pytest.raises(NeedsPerson, match="Envoy does not take it") as caught:
            eventually(lambda: renew(again) and None)
        assert caught.value.where == tls["certificate"]
        Path(tls["certificate"]).touch()
    authority.curve = "P-256"
    put(authority.issue("one"), tmp_path / "tls")
    eventually(lambda: _fine(again))
    world.settle(again, split(0))
    with connect(world, authority.file) as connection:
        assert asks(connection) == 200


def test_a_gateway_that_is_silent_keeps_its_certificate_and_takes_the_new_one_when_it_speaks_again(
    world: World, authority: Authority, tmp_path: Path
) -> None:
    tls = put(authority.issue("one"), tmp_path / "tls")
    gateway = world.open(tls=tls)
    gateway.start()
    authority.curve = "secp256k1"  # Envoy has refused something before
    put(authority.issue("odd"), tmp_path / "tls")
    with pytest.raises(NeedsPerson, match="Envoy does not take it"):
        eventually(lambda: renew(gateway) and None)
    authority.curve = "P-256"
    first, target = served(world, authority.file), world.state / "gateway" / "config" / "certificate.json"
    before = target.read_bytes()
    put(authority.issue("two"), tmp_path / "tls")
    with stopped(pid_of(world)):
        for _ in range(2):
            with pytest.raises(RetryLater, match="does not answer"):
                gateway.renew(time.time())
            assert target.read_bytes() == before, "nobody could tell what became of another one"
    eventually(lambda: _fine(gateway) and served(world, authority.file) != first)


def test_a_certificate_that_envoy_neither_takes_over_nor_refuses_is_told(
    world: World, authority: Authority, tmp_path: Path
) -> None:
    gateway = world.open(tls=put(authority.issue("one"), tmp_path / "tls"))
    gateway.start()
    eventually(lambda: _fine(gateway))
    watched = world.state / "gateway" / "config"
    watched.rename(watched.with_name("before"))  # a restored backup: Envoy looks where nobody writes any more
    shutil.copytree(watched.with_name("before"), watched)
    put(authority.issue("two"), tmp_path / "tls")
    now = time.time()
    gateway.renew(now)
    gateway.renew(now + 9.0)
    with pytest.raises(RetryLater, match="has not taken over the callers' certificate for 11 s") as caught:
        gateway.renew(now + 11.0)
    assert caught.value.where == str(watched / "certificate.json")


def _fine(gateway: Gateway) -> bool:
    try:
        return renew(gateway)
    except NeedsPerson:
        return False


def test_callers_speak_http2_or_not_as_they_like(world: World, authority: Authority, tmp_path: Path) -> None:
    gateway = world.open(tls=put(authority.issue("one"), tmp_path / "tls"))
    gateway.start()
    for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")):
        context = ssl.create_default_context(cafile=str(authority.file))
        context.set_alpn_protocols(offered)
        connection = http.client.HTTPSConnection("localhost", world.port, timeout=10, context=context)
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        assert connection.sock.selected_alpn_protocol() == chosen
        connection.close()


def test_with_an_authority_only_callers_with_its_certificates_get_in(
    world: World, authority: Authority, tmp_path: Path
) -> None:
    tls = put(authority.issue("server"), tmp_path / "tls")
    later = Authority(tmp_path / "later")
    trusted = tmp_path / "clients.pem"
    shutil.copy(authority.file, trusted)
    gateway = world.open(tls=tls | {"client_ca": str(trusted)})
    gateway.start()
    world.settle(gateway, split(0))
    old, new = authority.issue("old-client"), later.issue("new-client")

    def may(own: tuple[Path, Path] | None) -> bool:
        try:
            with connect(world, authority.file, own) as connection:
                return asks(connection) == 200
        except OSError:
            return False

    assert [may(None), may(old), may(new)] == [False, True, False]
    with connect(world, authority.file, old) as kept:
        assert asks(kept) == 200
        shutil.copy(later.file, trusted)
        eventually(lambda: renew(gateway) and may(new))
        assert [may(None), may(old)] == [False, False]
        assert asks(kept) == 200


def test_a_gateway_without_a_usable_certificate_does_not_start_and_one_that_ran_goes_on(
    world: World, authority: Authority, tmp_path: Path
) -> None:
    tls = put(authority.issue("one"), tmp_path / "tls")
    Path(tls["key"]).write_text("no key")
    with pytest.raises(NeedsPerson, match="no certificate and its key") as caught:
        world.open(tls=tls).start()
    assert caught.value.where == tls["certificate"]
    put(authority.issue("two"), tmp_path / "tls")
    gateway = world.open(tls=tls)
    gateway.start()
    gateway.stop()
    Path(tls["certificate"]).unlink()
    again = world.open(tls=tls)
    again.start()
    world.settle(again, split(0))
    with connect(world, authority.file) as connection:
        assert asks(connection) == 200
    with pytest.raises(NeedsPerson, match="cannot be read"):
        again.renew(time.time())


@pytest.mark.parametrize(("days", "said"), [(3, "ends in 2 days, on "), (-1, "")])
def test_a_certificate_that_ends_soon_is_told(
    world: World, authority: Authority, tmp_path: Path, days: int, said: str
) -> None:
    pair = authority.issue("short", max(days, 1))
    at = certificate.ends(pair[0].read_bytes())
    assert abs(at - time.time() - max(days, 1) * 86400) < 600
    gateway = world.open(tls=put(pair, tmp_path / "tls"))
    gateway.start()
    day = datetime.fromtimestamp(at, UTC).date().isoformat()
    with pytest.raises(NeedsPerson, match=said + day if said else f"ended on {day}"):
        gateway.renew(at - days * 86400 + 60 if days > 0 else at + 60)
    gateway.renew(at - 15 * 86400)
    assert gateway.certificate_ends == at
