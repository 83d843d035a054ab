"""Where a release goes: a board that SSH reaches, or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge_lstm.datasets.settings import refuse_unknown
from edge_lstm.errors import ProjectError

ARCHITECTURES = ("x86_64", "aarch64", "armv7l", "armv6l")

FOLDER = "folder:"
SSH = "ssh://"

HOME = "~/edge-lstm/{name}"
"""Where a model is deployed on a board when nothing else is asked."""


@dataclass(frozen=True)
class SshTarget:
    """A board, as ``ssh`` itself would be told.

    Args:
        destination: ``user@host``, ``host`` or a name of ``~/.ssh/config``.
        port: None leaves it to the configuration.
        path: of the deployment there; a relative one is the user's; None is ``~/edge-lstm/NAME``.
        identity: a private key.
        options: for ``ssh -o``, each ``KEY=VALUE``.
        config: another file than ``~/.ssh/config``.
    """

    destination: str
    port: int | None = None
    path: str | None = None
    identity: Path | None = None
    options: tuple[str, ...] = ()
    config: Path | None = None

    def __str__(self) -> str:
        return self.destination if self.port is None else f"{self.destination} port {self.port}"


@dataclass(frozen=True)
class FolderTarget:
    """A folder of this computer: a card, a mounted image, a share.

    Args:
        path: of the deployment.
        arch: of the board that will run it.
    """

    path: Path
    arch: str | None = None

    def __str__(self) -> str:
        return str(self.path)


Target = SshTarget | FolderTarget


def parse_target(
    text: str,
    *,
    port: int | None = None,
    path: str | None = None,
    identity: Path | None = None,
    options: tuple[str, ...] = (),
    config: Path | None = None,
    arch: str | None = None,
) -> Target:
    """Read ``user@host``, ``ssh://user@host:port/path``, a name of the SSH configuration, or a folder.

    A folder is one that exists, or is called ``folder:PATH``.

    Raises:
        ProjectError: if it is none of them, or an option does not go with it.
    """
    refuse_unknown("arch", arch, (None, *ARCHITECTURES))
    if text.startswith(FOLDER) or (not text.startswith(SSH) and Path(text).is_dir()):
        if path or port or identity or options or config:
            raise ProjectError(f"{text} is a folder, the deployment itself; leave out --path and the options of SSH")
        folder = Path(text.removeprefix(FOLDER))
        if str(folder) == ".":
            raise ProjectError(f"{text}: names no folder; give {FOLDER}PATH")
        return FolderTarget(folder.absolute(), arch)
    for option in options:
        key, equals, _ = option.partition("=")
        if not key.strip() or not equals:
            raise ProjectError(f"--ssh-option {option!r} is not KEY=VALUE; give such as ConnectTimeout=30")
    if text.startswith(SSH):
        text, port, path = _parse_url(text, port, path)
    if not text or text.startswith("-") or text.count(":") == 1 or any(c.isspace() or c == "/" for c in text):
        raise ProjectError(
            f"target {text!r} is neither user@host, ssh://user@host:port/path, a name of the SSH configuration, nor a "
            f"folder that exists; a new folder is {FOLDER}PATH, and a path on the board goes with --path"
        )
    if path is not None and not path.isprintable():
        raise ProjectError(f"path {path!r} holds characters that cannot be printed; give another")
    return SshTarget(text, port, path, identity, options, config)


def _parse_url(url: str, port: int | None, path: str | None) -> tuple[str, int | None, str | None]:
    try:
        parts = urlsplit(url)
        port = port or parts.port
        host = parts.hostname
    except ValueError as error:
        raise ProjectError(f"{url}: is not an address ({error}); give ssh://user@host:port/path") from error
    if not host or parts.query or parts.fragment or parts.password:
        raise ProjectError(f"{url}: is not an address; give ssh://user@host:port/path, without a password")
    there = unquote(parts.path)
    if there.startswith("/~/"):
        there = there[1:]
    user = f"{unquote(parts.username)}@" if parts.username else ""
    return f"{user}{host}", port, path or (there if there.strip("/") else None)
