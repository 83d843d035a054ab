"""The systemd service that streams from power-on: which program it runs, and its unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from edge_lstm.bundle import PROGRAM
from edge_lstm.deploy.probe import Board, Service
from edge_lstm.errors import DeployError, ProjectError

Kind = Literal["user", "system"]

STATIC_FLAGS = {
    **dict.fromkeys(("--from", "--to", "--input", "--format", "--missing", "--range", "--range-factor"), 1),
    **dict.fromkeys(("--malformed", "--reset", "--state-every"), 1),
    **dict.fromkeys(("--json", "--every-step"), 0),
}
"""What ``edge-lstm-stream`` takes → how many values; with others ``edge-lstm stream`` of the board is needed."""

STATIC_SCHEMES = {
    "--from": ("file", "serial", "tcp", "tcp-listen", "udp"),
    "--to": ("file", "tcp"),
}
"""Where ``edge-lstm-stream`` reads and writes, besides stdin and stdout."""

WATCHDOG = 30
"""Seconds without a sign of life after which systemd starts a stream anew."""

RESTART = 2
"""Seconds before that, and before every other start after a failure. It never gives up: sensors come back."""

TERMINATED = 143
"""What a stream ends with when it is told to."""

SETTLE = 2
"""Seconds a service has to run to count as started."""

HARDENING = {
    "user": (
        # The others need name spaces, which a user's own systemd may not have.
        "NoNewPrivileges=yes",
        "LockPersonality=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallArchitectures=native",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    ),
    "system": (
        # No PrivateDevices, DevicePolicy or ProtectClock: each takes the serial port away.
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "ProtectHome=read-only",
        "PrivateTmp=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelLogs=yes",
        "ProtectControlGroups=yes",
        "ProtectHostname=yes",
        "LockPersonality=yes",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    ),
}


@dataclass(frozen=True)
class ServiceWish:
    """A service that is asked for.

    Args:
        arguments: of the stream.
        kind: ``user`` or ``system``; None takes ``system`` for root and ``user`` for others.
        name: of the unit; None takes ``edge-lstm-NAME``.

    Raises:
        ProjectError: if the arguments are not those of a stream that can run alone.
    """

    arguments: tuple[str, ...]
    kind: Kind | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9:_.\-]{0,200}", self.name):
            raise ProjectError(f"service name {self.name!r} is no unit's; use letters, digits, '-', '_' and '.'")
        if any(c in argument for argument in self.arguments for c in "\n\0"):
            raise ProjectError("an argument of the stream holds a line break; a unit cannot")
        if "--state" in self.arguments or any(argument.startswith("--state=") for argument in self.arguments):
            raise ProjectError("a service keeps its state in the deployment; leave out --state")
        if _value(self.arguments, "--from") in (None, "-"):
            raise ProjectError("a service has no stdin to read; say where samples come from: -- --from serial:PORT")

    def on(self, board: Board, model: str) -> Service:
        """The service on a board, for a model of that name."""
        kind = self.kind or ("system" if board.uid == 0 else "user")
        return Service(kind, self.name or "edge-lstm-" + re.sub(r"[^A-Za-z0-9_.\-]+", "-", model))


def unit(wish: ServiceWish, service: Service, board: Board, arch: str, model: str) -> str:
    """The text of its unit.

    Raises:
        DeployError: if the arguments need Python and the board has no ``edge-lstm``, or systemd runs nothing in such a
            place.
    """
    if set(board.root) & set("\"'\\$"):
        raise DeployError(f"{board.root}: systemd runs no program in a place called so; give another with --path")
    root = PurePosixPath(board.root)
    reason = needs_python(wish.arguments)
    state = ("--state", str(root / "current" / "state" / "stream.state"))
    if reason is None:
        command = [str(root / "current" / PROGRAM.format(machine=arch)), *wish.arguments, *state]
    elif board.program is None:
        raise DeployError(
            f"{reason} needs Python and edge-lstm on the board, which has none; install it there with pip, or do "
            "without"
        )
    else:
        command = [board.program, "stream", str(root / "current"), *wish.arguments, *state]
    wanted = "default.target" if service.kind == "user" else "multi-user.target"
    lines = [
        f"# Deployed to {board.root}",
        "[Unit]",
        f"Description=edge-lstm stream of {_plain(model)}",
        # A user's own systemd does not know when the network is there.
        *(["Wants=network-online.target", "After=network-online.target"] if service.kind == "system" else []),
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        f"WatchdogSec={WATCHDOG}",
        f"ExecStart={' '.join(_quoted(word).replace('$', '$$') for word in command)}",
        f"WorkingDirectory={_plain(str(root / 'state'))}",
        f"SuccessExitStatus={TERMINATED}",
        "Restart=always",
        f"RestartSec={RESTART}",
        *([f"User={board.user}"] if service.kind == "system" and board.uid else []),
        *([f"ReadWritePaths={_quoted(path)}" for path in _written(wish, root)] if service.kind == "system" else []),
        *HARDENING[service.kind],
        "",
        "[Install]",
        f"WantedBy={wanted}",
        "",
    ]
    return "\n".join(lines)


def needs_python(arguments: Sequence[str]) -> str | None:
    """The first argument that the static program does not take, or None."""
    rest = iter(arguments)
    for argument in rest:
        flag, equals, value = argument.partition("=")
        if flag not in STATIC_FLAGS:
            return argument
        if STATIC_FLAGS[flag] and not equals:
            value = next(rest, "")
        scheme, colon, _ = value.partition(":")
        if colon and scheme not in STATIC_SCHEMES.get(flag, (scheme,)):
            return f"{flag} {scheme}:"
    return None


def _value(arguments: Sequence[str], flag: str) -> str | None:
    """What the last ``flag VALUE`` or ``flag=VALUE`` says."""
    found = None
    for argument, following in zip(arguments, (*arguments[1:], None), strict=False):
        if argument == flag:
            found = following
        elif argument.startswith(f"{flag}="):
            found = argument.partition("=")[2]
    return found


def _written(wish: ServiceWish, root: PurePosixPath) -> list[str]:
    """Folders that the stream writes into."""
    sink = _value(wish.arguments, "--to") or ""
    # The minus: one that is missing is the stream's to complain of.
    folder = [f"-{PurePosixPath(sink.removeprefix('file:')).parent}"] if sink.startswith("file:/") else []
    return [str(root / "state"), *folder]


def _quoted(text: str) -> str:
    """A word as systemd reads it, which has quotes and specifiers of its own."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if re.fullmatch(r"[A-Za-z0-9_@%+=:,./\-]+", escaped) else f'"{escaped}"'


def _plain(text: str) -> str:
    """A text as systemd reads it where it knows no quotes."""
    return text.replace("%", "%%")
