"""The certificate that a server shows to those who connect, and what is wrong with it if something is."""

import ssl
from pathlib import Path

from npc_engine.errors import OperatorError


def tls_context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """A server's side of TLS with the PEM files ``certificate`` (the chain, own first) and ``key``.

    Without ``key`` the certificate's file has it, too. Raises OperatorError if they can't be used.
    """
    for file, flag in ((certificate, "--tls-cert"), (key, "--tls-key")):
        if file is not None:
            _check_readable(file, flag)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Asked for a password, OpenSSL would wait at a terminal that nobody may be at.
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except _HasPassword:
        raise OperatorError(
            f"The key in {key or certificate} is locked with a password.",
            remedy="Unlock it into a file that only this user may read: openssl pkey -in KEY -out UNLOCKED.",
        ) from None
    except ssl.SSLError as error:
        raise _explained(error, certificate, key) from error
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    """A client's side of TLS that trusts the server with ``certificate`` and no other, whatever its name."""
    _check_readable(certificate, "--tls-cert")
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


class _HasPassword(Exception):
    pass


def _refuse_password() -> str:
    raise _HasPassword


def _check_readable(file: Path, flag: str) -> None:
    try:
        file.read_bytes()
    except OSError as error:
        raise OperatorError(
            f"{file} can't be read ({error.strerror}).", remedy=f"Check the path after {flag}, and who may read it."
        ) from error


def _explained(error: ssl.SSLError, certificate: Path, key: Path | None) -> OperatorError:
    if error.reason == "KEY_VALUES_MISMATCH":
        return OperatorError(
            f"The key in {key or certificate} is not the one of the certificate in {certificate}.",
            remedy="Name the key that the certificate was made with; its own certificate comes first in the file.",
        )
    try:
        ssl.create_default_context(cafile=str(certificate))
    except ssl.SSLError:
        return OperatorError(
            f"{certificate} holds no certificate in PEM form.",
            remedy="It should begin with -----BEGIN CERTIFICATE-----.",
        )
    if key is None:
        return OperatorError(f"{certificate} holds no key.", remedy="Name the file that does with --tls-key.")
    return OperatorError(
        f"{key} holds no key in PEM form that can be used ({error.reason or error}).",
        remedy="It should begin with -----BEGIN PRIVATE KEY-----.",
    )
