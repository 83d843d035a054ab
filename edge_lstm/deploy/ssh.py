"""OpenSSH's own client: the user's keys, agent, configuration, jump hosts and known hosts are its business."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edge_lstm.deploy.shell import Session
from edge_lstm.deploy.target import SshTarget
from edge_lstm.errors import DeployError

SECONDS = 15
"""Until a board that does not answer is given up, at the start and, twice that, in the middle."""

OPTIONS = (
    # First of all: nobody answers a prompt, and in OpenSSH the first value counts.
    ("BatchMode", "yes"),
    ("ConnectTimeout", str(SECONDS)),
    ("ServerAliveInterval", str(SECONDS)),
    ("ServerAliveCountMax", "2"),
    # What an interactive login may have set up there and here.
    ("RemoteCommand", "none"),
    ("RequestTTY", "no"),
    ("ClearAllForwardings", "yes"),
)

LONGEST_FOLDER = 70

LOST = 255
"""The exit code of ssh itself."""

UNCHANGED = "nothing was changed there"


@dataclass(frozen=True)
class Fault:
    """A message of OpenSSH's client, what it means, and what to do."""

    pattern: str
    what: str
    move: str


FAULTS = (
    Fault("REMOTE HOST IDENTIFICATION HAS CHANGED", "its host key is not the one known for it",
          "if the board was set up anew, forget the old key: ssh-keygen -R {host}; else somebody is in between"),
    Fault("Host key verification failed", "its host key is not known here",
          "connect once by hand, `ssh {destination}`, and compare the fingerprint"),
    Fault("Could not resolve hostname", "this host name is not known",
          "check its spelling, or give the address"),
    Fault("Connection refused", "it refuses the connection on that port",
          "see that its SSH server runs and on which port (--port)"),
    Fault("No route to host|Network is unreachable|Host is down", "there is no way to it",
          "see that it is on and in this network"),
    Fault("timed out during banner exchange|Connection to .* timed out|[Cc]onnect.* timed out|Operation timed out",
          "it does not answer within {seconds} s", "see that it is on and in this network, and on which port (--port)"),
    Fault("UNPROTECTED PRIVATE KEY|bad permissions", "others may read the private key, so ssh does not use it",
          "chmod 600 the key"),
    Fault("Load key .*(invalid format|error in libcrypto)", "the file given as key is no private key",
          "give the private key, not *.pub"),
    Fault("Too many authentication failures", "it was offered too many keys",
          "name the right one with --identity, and add --ssh-option IdentitiesOnly=yes"),
    Fault(r"Permission denied \(", "it accepts none of the keys offered",
          "give one with --identity, or install it there: ssh-copy-id {destination}"),
    Fault("Bad configuration option|command-line: line|Bad configuration|Can't open user config file|extra arguments",
          "ssh does not accept its options: {last}", "correct --ssh-option or the file of the configuration"),
    Fault("Timeout, server .* not responding", "the connection went dead", "run the same command again"),
    # A shared connection that ends does so without a word to those who share it.
    Fault(r"^\s*$", "the connection was lost", "run the same command again"),
    Fault("kex_exchange_identification|banner exchange|Connection closed|Connection reset|closed by remote host|"
          "Broken pipe|client_loop|Connection to .* closed|mux_client|control master", "the connection was lost",
          "run the same command again"),
)  # fmt: skip
"""Looked through in this order: a refused key comes after the reason for it."""


class SshShell:
    """A shell on a board. Sessions share one connection where the client can do so."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self.where = str(target)

    def __enter__(self) -> Self:
        for file in (self.target.identity, self.target.config):
            # ssh would go on without the key, and complain of the ones that it then tries.
            if file is not None and not file.exists():
                raise DeployError(f"{file}: does not exist; check --identity and --ssh-config")
        self._folder = Path(tempfile.mkdtemp(prefix="edge-lstm-"))
        self._shared = self._sharing()
        return self

    def __exit__(self, *_error: object) -> None:
        if (self._folder / "c").exists():
            self._ask("-O", "exit")
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self, text: str) -> Session:
        # Whatever shell the user has there, it has to pass on one quoted text.
        return Session(
            [*self._command(), "-T", "--", self.target.destination, f"exec sh -c {shlex.quote(text)}"], _environment()
        )

    def lost(self, code: int, said: str) -> DeployError:
        return DeployError(f"{self.where}: {self.reason(code, said)}")

    def reason(self, code: int, said: str) -> str:
        """What OpenSSH's words mean, and what to do."""
        destination = self.target.destination
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), f"ssh ends with {code}")
        host = destination.rpartition("@")[2]
        if self.target.port is not None:
            host = f"'[{host}]:{self.target.port}'"
        words = {"destination": destination, "host": host, "last": last, "seconds": SECONDS}
        if code == LOST:
            for fault in FAULTS:
                if re.search(fault.pattern, said):
                    return f"{fault.what}; {fault.move}".format(**words)
            return f"ssh fails: {last}; try `ssh {destination}` by hand"
        return f"its shell does not run a script: {last}; see that `ssh {destination} uname` works"

    def _command(self) -> list[str]:
        target = self.target
        command = ["ssh"]
        command += ["-F", str(target.config)] if target.config else []
        command += ["-p", str(target.port)] if target.port else []
        command += ["-i", str(target.identity)] if target.identity else []
        ours = [f"{key}={value}" for key, value in OPTIONS]
        # After BatchMode the user's come first, so that they count.
        for option in (ours[0], *target.options, *ours[1:], *getattr(self, "_shared", ())):
            command += ["-o", option]
        return command

    def _ask(self, *what: str) -> str:
        """What ssh itself answers; nothing if it does not."""
        command = [*self._command(), *what, "--", self.target.destination]
        with contextlib.suppress(OSError):
            return subprocess.run(command, capture_output=True, text=True, check=False, env=_environment()).stdout  # noqa: S603 - ssh
        return ""

    def _sharing(self) -> tuple[str, ...]:
        """Options for one connection for all sessions; none where the user has arranged that."""
        # A socket's name has a hundred characters, and ssh adds some for a while.
        if os.name != "posix" or len(str(self._folder)) > LONGEST_FOLDER:
            return ()
        asked = self._ask("-G")
        theirs = re.search(r"^controlpath (?!none)", asked or "", re.MULTILINE)
        if not asked or theirs:
            return ()
        return ("ControlMaster=auto", f"ControlPath={self._folder}/c", "ControlPersist=30")


def _environment() -> dict[str, str]:
    """Messages as the table has them."""
    return {**os.environ, "LC_ALL": "C"}
