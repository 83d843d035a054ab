"""Addresses of sources and destinations, ``SCHEME:WHERE[?key=value]``, taken apart once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
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
        files: the paths there.
    """

    url: str
    scheme: str
    where: str
    query: dict[str, float]
    files: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def parse(cls, url: str, schemes: Iterable[str], keys: Iterable[str] = (), files: Iterable[str] = ()) -> Address:
        """Take ``url`` apart.

        Args:
            schemes: those that are known.
            keys: the numbers it may ask for.
            files: the files it may name.

        Raises:
            ProjectError: if its scheme, a key or a value is not usable.
        """
        if url == STANDARD:
            return cls(url, STANDARD, "", {})
        scheme, colon, rest = url.partition(":")
        if not colon or scheme not in schemes:
            known = ", ".join(name if name == STANDARD else f"{name}:" for name in schemes)
            raise ProjectError(f"{public(url)!r}: {scheme!r} is no kind of address; choose from {known}")
        where, _, query = rest.partition("?")
        address = cls(url, scheme, where, {})
        # In forms a plus is a blank, in paths and numbers it is a plus.
        for key, text in parse_qsl(query.replace("+", "%2B"), True):
            if key in files:
                address.files[key] = _path(address.public, key, text)
            else:
                address.query[key] = _number(address.public, key, text, (*keys, *files))
        return address

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
            # A password with a slash in it ends up where the port should be.
            words = "no port is there" if "@" in self.where else error
            raise ProjectError(f"{self.public}: {words}; give a port from 1 to 65535") from error
        if found is None or not (parts.hostname or any_host):
            raise ProjectError(f"{self.public}: host or port is missing; write {self.scheme}://HOST:PORT")
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
            raise ProjectError(f"{self.public}: the topic is missing; write {self.scheme}://HOST/TOPIC")
        return path

    @property
    def public(self) -> str:
        """The URL for messages: without a password."""
        return public(self.url)

    def _parts(self) -> SplitResult:
        try:
            # An MQTT wildcard '#' is no fragment.
            return urlsplit(f"x:{self.where}", allow_fragments=False)
        except ValueError as error:
            raise ProjectError(f"{self.public}: {error}; correct it") from error


def public(url: str) -> str:
    """A URL without its password, also where it is written so badly that it cannot be taken apart."""
    return re.sub(r"(://[^/:@]*):(?:[^/]*(?=@)|.*(?=@))", r"\1:…", url)


def _path(url: str, key: str, text: str) -> Path:
    if not text:
        raise ProjectError(f"{url}: {key} names no file; write ?{key}=FILE")
    return Path(text)


def _number(url: str, key: str, text: str, keys: tuple[str, ...]) -> float:
    if key not in keys:
        # A password with a question mark in it ends up here.
        unknown = repr(key) if key.isidentifier() else "what stands behind the question mark"
        raise ProjectError(f"{url}: {unknown} is not known there; it takes {', '.join(keys) or 'nothing'}")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ProjectError(f"{url}: {key} is {text!r}; give a positive number")
    return value
