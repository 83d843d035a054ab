"""TLS to a broker: who it is is always checked, by the system's authorities or by the one that the address names."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from edge_lstm.errors import LinkError, ProjectError

FILES = ("ca", "cert", "key")
"""What an address may name."""


@dataclass(frozen=True)
class Tls:
    """How to know the broker, and how it knows us.

    Args:
        ca: certificates of the authorities to trust, in PEM; None trusts the system's.
        cert: our own certificate and those up to its authority; None has none.
        key: of our certificate; None if it is in the same file.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self, url: str) -> ssl.SSLContext:
        """What a connection needs. Host names are checked, and nothing here can turn that off.

        Raises:
            ProjectError: if a file cannot be used.
        """
        if self.key is not None and self.cert is None:
            raise ProjectError(f"{url}: key without cert; add &cert=FILE, the certificate of that key")
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise ProjectError(
                f"{url}: ca {self.ca}: {_words(error)}; give authorities' certificates in PEM"
            ) from error
        context.sslsocket_class = _Socket
        if self.cert is not None:
            try:
                # A service has nobody to ask for the key's password.
                context.load_cert_chain(self.cert, self.key, password="")
            except OSError as error:
                files = " and ".join(map(str, filter(None, (self.cert, self.key))))
                raise ProjectError(
                    f"{url}: {files}: {_words(error)}; give a certificate and its key in PEM, without a password"
                ) from error
        return context


class _Socket(ssl.SSLSocket):
    """One that is not left open after a handshake that failed, as paho does."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


_VERIFY = {
    9: ("the broker's certificate is not valid yet", "set this computer's clock"),
    10: ("the broker's certificate has expired", "renew it there, or set this computer's clock"),
    18: ("the broker's certificate is signed by itself", "trust it by ?ca=FILE if it is yours"),
    19: ("the broker's certificate is of an authority that is not known here", "name it by ?ca=FILE"),
    20: ("the broker's certificate is of an authority that is not known here", "name it by ?ca=FILE"),
    62: ("the broker's certificate is not for this host name", "write the host as the certificate does"),
    64: ("the broker's certificate is not for this host name", "write the host as the certificate does"),
}
"""OpenSSL's ``X509_V_ERR`` → what is wrong, and the next move."""

_NO_TLS = ("no TLS is spoken there", "write mqtt://, or the port of TLS, often 8883")
_STRANGER = ("the broker does not know the authority of our certificate", "have it signed by one it knows")
_DEMANDS = ("the broker demands a client certificate", "add ?cert=FILE&key=FILE")
_ALERTS = {
    "CERTIFICATE_REQUIRED": _DEMANDS,
    "HANDSHAKE_FAILURE": _DEMANDS,
    "UNKNOWN_CA": _STRANGER,
    "CERTIFICATE_EXPIRED": ("our certificate has expired", "renew it"),
    "BAD_CERTIFICATE": ("the broker refuses our certificate", "have it signed by an authority it knows"),
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "EOF occurred": _NO_TLS,
}
"""A part of OpenSSL's words for a handshake that failed → the same."""


def refusal(url: str, error: OSError) -> LinkError | None:
    """A handshake that failed, in one line; None if something else did."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = error.verify_message or str(error)
        words, move = _VERIFY.get(error.verify_code, (f"the broker's certificate is refused: {said}", "mend it"))
        return LinkError(f"{url}: {words}; {move}")
    # A reset is an answer to what is not understood.
    said = "EOF occurred" if isinstance(error, ConnectionResetError) else str(error)
    known = next((fault for part, fault in _ALERTS.items() if part in said), None)
    return None if known is None else LinkError(f"{url}: {known[0]}; {known[1]}")


def hung_up(url: str, tls: Tls) -> LinkError:
    """A broker that leaves after the handshake and before its first answer.

    In TLS 1.3 it looks at our certificate only then, and brokers leave without sending their reason.
    """
    words, move = _DEMANDS if tls.cert is None else _STRANGER
    return LinkError(f"{url}: no answer after the handshake: perhaps {words}; {move}")


def _words(error: OSError) -> str:
    """OpenSSL's reason in capitals says more than its text; other errors have the system's words."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return error.strerror or str(error)
