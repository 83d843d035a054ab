"""Addresses of sources and destinations, ``SCHEME:WHERE[?key=value]``, taken apart once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from edge_lstm.errors import ProjectError

STANDARD = "-"


@dataclass(frozen=True)
class Address:
    """A URL and what is in it.

    Args:
        scheme: what comes before the colon; ``-`` for standard input or output.
        where: what comes between the colon and the question mark, as written.
        query: the numbers behind the question mark.
    """

    url: str
    scheme: str
    where: str
    query: dict[str, float]

    @classmethod
    def parse(cls, url: str, schemes: Iterable[str], keys: Iterable[str] = ()) -> Address:
        """Take ``url`` apart.

        Args:
            schemes: those that are known.
            keys: the numbers it may ask for.

        Raises:
            ProjectError: if its scheme, a key or a value is not usable.
        """
        if url == STANDARD:
            return cls(url, STANDARD, "", {})
        scheme, colon, rest = url.partition(":")
        if not colon or scheme not in schemes:
            known = ", ".join(name if name == STANDARD else f"{name}:" for name in schemes)
            raise ProjectError(f"{url!r}: {scheme!r} is no kind of address; choose from {known}")
        where, _, query = rest.partition("?")
        return cls(url, scheme, where, dict(_number(url, *pair, tuple(keys)) for pair in parse_qsl(query, True)))

    def host_and_port(self, port: int | None = None, any_host: bool = False) -> tuple[str, int]:
        """The host and the port of ``//HOST:PORT``.

        Args:
            port: when none is given; None asks for one.
            any_host: whether the host may be left out.

        Raises:
            ProjectError: if one is missing or not usable.
        """
        parts = self._parts()
        try:
            found = parts.port or port
        except ValueError as error:
            raise ProjectError(f"{self.url}: {error}; give a port from 1 to 65535") from error
        if found is None or not (parts.hostname or any_host):
            raise ProjectError(f"{self.url}: host or port is missing; write {self.scheme}://HOST:PORT")
        return parts.hostname or "", found

    def user_and_password(self) -> tuple[str | None, str | None]:
        parts = self._parts()
        return parts.username and unquote(parts.username), parts.password and unquote(parts.password)

    def path(self) -> str:
        """What comes behind ``//HOST:PORT/``.

        Raises:
            ProjectError: if there is nothing.
        """
        path = unquote(self._parts().path.removeprefix("/"))
        if not path:
            raise ProjectError(f"{self.url}: the topic is missing; write {self.scheme}://HOST/TOPIC")
        return path

    @property
    def public(self) -> str:
        """The URL for messages: without a password."""
        _, password = self.user_and_password() if self.where.startswith("//") else (None, None)
        return self.url if password is None else self.url.replace(f":{self._parts().password}@", ":…@")

    def _parts(self) -> SplitResult:
        try:
            # An MQTT wildcard '#' is no fragment.
            return urlsplit(f"x:{self.where}", allow_fragments=False)
        except ValueError as error:
            raise ProjectError(f"{self.url}: {error}; correct it") from error


def _number(url: str, key: str, text: str, keys: tuple[str, ...]) -> tuple[str, float]:
    if key not in keys:
        raise ProjectError(f"{url}: {key!r} is not known there; it takes {', '.join(keys) or 'nothing'}")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ProjectError(f"{url}: {key} is {text!r}; give a positive number")
    return key, value
