"""Many boards: a file of targets, worked through side by side, and what is done kept beside it."""

from __future__ import annotations

import hashlib
import json
import threading
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, get_args

from edge_lstm.datasets.settings import Table, refuse_unknown, suggestion
from edge_lstm.deploy.change import OnPhase
from edge_lstm.deploy.result import Wish
from edge_lstm.deploy.service import Kind, ServiceWish
from edge_lstm.deploy.target import ARCHITECTURES, Target, parse_target
from edge_lstm.errors import DeployError, EdgeLstmError, ProjectError
from edge_lstm.files import write_atomically

TABLE = "target"
SCHEMA = 1


@dataclass(frozen=True)
class FleetTarget(Table):
    """A board of a fleet: a ``[[target]]`` of its file. What it leaves out is as the command line says.

    Args:
        host: as the TARGET of ``edge-lstm deploy``.
        name: in what is printed; the host when left out.
        port: of SSH.
        path: of the deployment there.
        identity: private key; a relative path is relative to the file.
        ssh_option: for ``ssh -o``, a list of texts ``KEY=VALUE``.
        arch: of the board that a folder is for.
        service: ``user`` or ``system``: the systemd service to install.
        stream: its arguments, a list of texts.
    """

    host: str
    name: str = ""
    port: int | None = None
    path: str | None = None
    identity: str | None = None
    ssh_option: tuple[str, ...] = ()
    arch: str | None = None
    service: Kind | None = None
    stream: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_unknown("service", self.service, (None, *get_args(Kind)))
        refuse_unknown("arch", self.arch, (None, *ARCHITECTURES))
        if self.port is not None and not 0 < self.port < 65536:
            raise ProjectError(f"port is {self.port}; give one from 1 to 65535")
        if self.stream and not self.service:
            raise ProjectError('stream is of a service; add service = "user" or "system"')
        if self.service:
            ServiceWish(self.stream, self.service)

    @property
    def title(self) -> str:
        return self.name or (self.host if self.port is None else f"{self.host} port {self.port}")

    def target(self, defaults: Mapping[str, Any], folder: Path) -> Target:
        """Where it is.

        Args:
            defaults: of ``parse_target``, from the command line.
            folder: of the file.
        """
        identity = None if self.identity is None else folder / Path(self.identity).expanduser()
        own = {"port": self.port, "path": self.path, "identity": identity, "arch": self.arch}
        given = {**defaults, **{key: value for key, value in own.items() if value is not None}}
        # The first value of an option counts.
        given["options"] = (*self.ssh_option, *defaults.get("options", ()))
        return parse_target(self.host, **given)

    def wish(self, common: Wish) -> Wish:
        """What is asked for it, where the command line asks ``common`` of all."""
        if self.service is None:
            return common
        name = common.service.name if common.service else None
        return replace(common, service=ServiceWish(self.stream, self.service, name))


def load_fleet(file: Path) -> tuple[FleetTarget, ...]:
    """Read a file of targets.

    Raises:
        ProjectError: if it cannot be read, is not TOML, or a table, key or value is not usable.
    """
    try:
        content = tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise ProjectError(f"{file}: cannot be read ({error.strerror}); give a file of [[{TABLE}]] tables") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file}: is not TOML: {error}; correct it there") from error
    for key in content:
        if key != TABLE:
            raise ProjectError(f"{file}: table or key {key!r} is not known; {suggestion(key, [TABLE])}")
    tables = content.get(TABLE)
    if not isinstance(tables, list) or not tables or not all(isinstance(table, Mapping) for table in tables):
        raise ProjectError(f'{file}: has no target; add [[{TABLE}]] and below it host = "user@host"')
    targets = tuple(FleetTarget.from_table(t, f"{file} [[{TABLE}]] {k}") for k, t in enumerate(tables, start=1))
    titles = [target.title for target in targets]
    for title in titles:
        if titles.count(title) > 1:
            raise ProjectError(
                f"{file}: {titles.count(title)} targets are called {title!r}; give each a name of its own"
            )
    return targets


class Result(Protocol):
    """What is done to a board gives something that can be told."""

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Outcome:
    """How it went with one board.

    Args:
        result: None if it failed, or was done before.
        error: why it failed.
    """

    title: str
    result: Any = None
    error: str | None = None

    @property
    def word(self) -> str:
        if self.error is not None:
            return "failed"
        return "done before" if self.result is None else "done"

    def to_json(self) -> dict[str, Any]:
        told = {"name": self.title, "outcome": self.word, "error": self.error}
        return told | ({} if self.result is None else {"result": self.result.to_json()})


def each(
    targets: Sequence[FleetTarget],
    act: Callable[[FleetTarget, OnPhase], Result],
    jobs: int,
    on_phase: Callable[[str, str], None],
    on_outcome: Callable[[FleetTarget, Outcome], None],
) -> list[Outcome]:
    """Do something to every board, some at a time; what fails on one stops no other. In the order of ``targets``."""

    def one(target: FleetTarget) -> Outcome:
        try:
            outcome = Outcome(target.title, act(target, lambda phase: on_phase(target.title, phase)))
        except (EdgeLstmError, OSError) as error:
            outcome = Outcome(target.title, error=str(error))
        on_outcome(target, outcome)
        return outcome

    pool = ThreadPoolExecutor(jobs)
    try:
        return list(pool.map(one, targets))
    finally:
        # After an interrupt: those that have begun end as ssh does, the others do not begin.
        pool.shutdown(cancel_futures=True)


class Done:
    """What was deployed where, in ``TARGETS.state.json`` beside the file of targets; whole whenever it is read."""

    def __init__(self, fleet_file: Path) -> None:
        self.file = fleet_file.with_name(f"{fleet_file.stem}.state.json")
        self._lock = threading.Lock()
        self._done = self._read()

    def has(self, title: str, request: str) -> bool:
        return self._done.get(title) == request

    def note(self, title: str, request: str | None) -> None:
        """Remember that a request was met at a board, or with None that nothing is known of it any more.

        Raises:
            ExportError: if the file cannot be written.
        """
        with self._lock:
            self._done.pop(title, None)
            if request is not None:
                self._done[title] = request
            content = {"schema": SCHEMA, "done": self._done}
            write_atomically(self.file, (json.dumps(content, sort_keys=True, indent=2) + "\n").encode())

    def _read(self) -> dict[str, str]:
        try:
            content = json.loads(self.file.read_bytes())
            if content["schema"] != SCHEMA:
                raise ValueError(f"schema {content['schema']!r}")
            return {str(title): str(request) for title, request in content["done"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DeployError(
                f"{self.file}: cannot be read ({error}); remove it, then every board is done anew"
            ) from error


def request(identity: str, target: Target, wish: Wish) -> str:
    """What stands for a release, a place and what is asked there; another bundle or option is another request."""
    asked = [target, sorted(wish.extras), wish.service]
    return f"{identity}-{hashlib.sha256(repr(asked).encode()).hexdigest()[:12]}"


def failed(outcomes: Iterable[Outcome]) -> int:
    """How many."""
    return sum(outcome.error is not None for outcome in outcomes)
