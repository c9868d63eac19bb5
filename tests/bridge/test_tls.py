"""A server with a certificate, and what its operator is told when that can't be used."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from bridge.client import Client, ServerUnreachable
from bridge.tls import tls_context, trusting
from npc_engine.errors import OperatorError
from tests.bridge.conftest import Serve
from tests.tiny import make_tiny


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def pem(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Files with a certificate for this machine and its key."""
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("127.0.0.1", "localhost")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


async def test_games_talk_over_tls(serve: Serve, authority: trustme.CA, pem: tuple[Path, Path]) -> None:
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with serve(tls=tls_context(*pem)) as server:
        assert server.url.startswith("wss://127.0.0.1:")
        for tls in (trust, trusting(pem[0])):
            async with Client(server.url, tls=tls) as npc:
                await npc.spawn("greta", persona="greta")
                assert (await npc.say("greta", "Hello")).text == "Good morning."
                assert npc._socket is not None
                npc._socket.transport.abort()
                assert await npc.ping() > 0


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(serve: Serve, pem: tuple[Path, Path]) -> None:
    async with serve(tls=tls_context(*pem)) as server:
        with pytest.raises(ServerUnreachable, match=r"not trusted here .* Trust the one who signed it"):
            await Client(server.url).__aenter__()


async def test_another_server_with_another_certificate_is_not_trusted(serve: Serve, pem: tuple[Path, Path]) -> None:
    other = trustme.CA().issue_cert("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    other.configure_cert(context)
    async with serve(tls=context) as server:
        with pytest.raises(ServerUnreachable, match="not trusted here"):
            await Client(server.url, tls=trusting(pem[0])).__aenter__()


async def test_who_does_not_speak_tls_is_not_answered(serve: Serve, pem: tuple[Path, Path]) -> None:
    async with serve(tls=tls_context(*pem)) as server:
        with pytest.raises(ServerUnreachable):
            await Client(server.url.replace("wss:", "ws:")).__aenter__()


def test_key_and_certificate_may_be_in_one_file(pem: tuple[Path, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(pem[1].read_bytes() + pem[0].read_bytes())
    assert isinstance(tls_context(both), ssl.SSLContext)


def refusal(certificate: Path, key: Path | None) -> str:
    with pytest.raises(OperatorError) as caught:
        tls_context(certificate, key)
    assert caught.value.remedy
    return str(caught.value)


def test_files_that_can_not_be_read_are_named(pem: tuple[Path, Path], tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    assert f"{missing} can't be read" in refusal(missing, pem[1])
    assert "--tls-cert" in refusal(missing, pem[1])
    assert "--tls-key" in refusal(pem[0], missing)
    assert f"{tmp_path} can't be read" in refusal(tmp_path, None)


def test_a_key_of_another_certificate_is_recognised(pem: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(trustme.CA().issue_cert("127.0.0.1").private_key_pem.bytes())
    assert f"The key in {other} is not the one of the certificate in {pem[0]}." in refusal(pem[0], other)


def test_what_is_no_certificate_and_no_key_is_told_apart(pem: tuple[Path, Path], tmp_path: Path) -> None:
    letter = tmp_path / "letter.pem"
    letter.write_text("Dear operator, ...")
    assert f"{letter} holds no certificate" in refusal(letter, pem[1])
    assert f"{letter} holds no key" in refusal(pem[0], letter)
    assert f"{pem[0]} holds no key. Name the file that does with --tls-key." in refusal(pem[0], None)


def test_a_locked_key_is_not_asked_for(pem: tuple[Path, Path], tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(pem[1].read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")))
    assert "locked with a password" in refusal(pem[0], locked)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--tls-key", "key.pem"), "Name the certificate with --tls-cert."),
        (("--tls-cert", "cert.pem"), "cert.pem can't be read"),
        (("--host", "0.0.0.0"), "Set one with --token"),
        (("--origin", "*"), "such as https://example.org"),
    ],
)
def test_serve_refuses_before_it_listens(flags: tuple[str, ...], says: str, tmp_path: Path) -> None:
    world = tmp_path / "worlds" / "hollow"
    world.mkdir(parents=True)
    (world / "world.yaml").write_text("name: Hollow\n")
    (world / "ada.yaml").write_text("name: Ada\nsummary: A miller.\n")
    model = make_tiny(tmp_path / "tiny")
    command = [sys.executable, "-m", "npc_engine.cli", "serve", "--port", "0", "--http-port", "0", *flags]
    options = ["--data", str(tmp_path / "data"), "--personas", str(tmp_path / "worlds"), "--model", str(model)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 1
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
