"""From a workstation onto emulated Raspberry Pis, through their real SSH server, and every prediction on the way."""

from __future__ import annotations

import json
import re
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from boards.board import Board
from boards.installed import install
from deploy_boards import done, identity, refused, run
from deploy_bundles import add_file
from live_streams import until
from stream_bundles import SCALING, write_small_bundle
from stream_programs import with_a_wrong_bit

from edge_lstm.bundle import MODEL_FILES, PROGRAM, Bundle
from edge_lstm.integer import NativeModel
from edge_lstm.streaming import Stream
from edge_lstm.streaming.facts import Facts
from edge_lstm_export.linux import linux_files

PIS = {"pi_arm64": "aarch64", "pi_armhf": "armv7l", "pi_zero": "armv6l"}
ROOT = "edge-lstm/tag"
STATE = f"{ROOT}/current/state/stream.state"
SAMPLES = SCALING.undo(np.random.default_rng(1).normal(0, 1, (90, 3)))


@pytest.fixture(params=PIS)
def pi(request: pytest.FixtureRequest) -> Iterator[Board]:
    board: Board = request.getfixturevalue(request.param)
    board.run("rm -rf edge-lstm")
    yield board
    board.kill("edge-lstm-stream")


@pytest.fixture(scope="module")
def bundle_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Seed → a bundle named ``tag`` with programs and libraries for all the Pis; each made once."""
    made: dict[int, Path] = {}

    def bundle(seed: int) -> Path:
        if seed not in made:
            made[seed] = write_small_bundle(tmp_path_factory.mktemp(f"tag-{seed}"), "tag", seed)
            for name, content in linux_files(*model_of(made[seed]), Facts(), "tag", tuple(PIS.values())).items():
                add_file(made[seed], name, content)
        return made[seed]

    return bundle


def model_of(bundle: Path) -> tuple[NativeModel, bytes]:
    opened = Bundle.open(bundle)
    model = opened.model("native")
    assert isinstance(model, NativeModel)
    return model, opened.file(MODEL_FILES["native"]).read_bytes()


def expected(bundle: Path, samples: np.ndarray) -> list[str]:
    """What the reference says, line by line."""
    made = Stream(bundle, "reference", "native").push_many(samples)
    return [json.dumps(one.to_json(), ensure_ascii=False) for one in made]


def lines_of(samples: np.ndarray) -> str:
    return "".join(",".join(map(repr, row)) + "\n" for row in samples.tolist())


def deploy(pi: Board, bundle: Path, *more: str) -> object:
    return run("deploy", bundle, pi.name, "--ssh-config", pi.ssh_config, *more)


def program(pi: Board, *options: str) -> str:
    return " ".join([f"exec {ROOT}/current/linux/{pi.machine}/edge-lstm-stream --json", *options])


def broken_on_the_way(bundle: Path, folder: Path, arch: str) -> Path:
    """A bundle that is whole by its own account, whose program has one wrong bit in what it is held against."""
    made = write_small_bundle(folder, "tag", seed=3)
    name = PROGRAM.format(machine=arch)
    add_file(made, name, with_a_wrong_bit((bundle / name).read_bytes(), bundle))
    return made


def test_deploy_stream_kill_go_on_upgrade_refuse_and_roll_back(
    pi: Board, bundle_of: Callable[[int], Path], tmp_path: Path
) -> None:
    """Every prediction, before and after each of these, is the reference's, byte for byte."""
    first, second = bundle_of(0), bundle_of(5)
    said = done(deploy(pi, first))
    assert re.search(r"self-test: \d+ steps equal", said)
    assert pi.run(f"readlink {ROOT}/current").stdout == f"releases/{identity(first)}\n"

    # In the middle of the stream, the power goes.
    lines = expected(first, SAMPLES)
    told: list[str] = []
    with pi.running(program(pi, "--state", STATE, "--state-every", "1")) as stream:
        assert stream.stdin is not None
        assert stream.stdout is not None
        for row in SAMPLES[:37]:
            stream.stdin.write(lines_of(row[None]))
            stream.stdin.flush()
            told.append(stream.stdout.readline().rstrip("\n"))
        # It writes its state once a prediction has left; killed in between, it would say that one again.
        until(lambda: struct.pack("<q", 37) in (pi.home / STATE).read_bytes())
        assert pi.kill("edge-lstm-stream --json") == 1
    told += pi.run(program(pi, "--state", STATE), stdin=lines_of(SAMPLES[37:60])).stdout.splitlines()
    assert told == lines[:60]

    done(deploy(pi, second))
    assert pi.run(program(pi), stdin=lines_of(SAMPLES)).stdout.splitlines() == expected(second, SAMPLES)

    before = pi.run(f"cd {ROOT} && ls -l releases; readlink current previous").stdout
    faulty = broken_on_the_way(second, tmp_path / "faulty", pi.machine)
    refused(deploy(pi, faulty), pi.name, "self-test")
    damaged = tmp_path / "damaged"
    done_copying(bundle_of(0), damaged)
    file = damaged / PROGRAM.format(machine=pi.machine)
    file.write_bytes(file.read_bytes()[:-1])
    refused(deploy(pi, damaged), "edge-lstm-stream", "copy or export the bundle again")
    assert pi.run(f"cd {ROOT} && ls -l releases; readlink current previous").stdout == before
    assert pi.run(program(pi), stdin=lines_of(SAMPLES)).stdout.splitlines() == expected(second, SAMPLES)

    # The model that ran before goes on from what it remembers.
    done(deploy(pi, second, "--rollback"))
    told += pi.run(program(pi, "--state", STATE), stdin=lines_of(SAMPLES[60:])).stdout.splitlines()
    assert told == lines


def listens(pi: Board) -> bool:
    """Whether the program holds a terminal."""
    open_files = (file for pid in pi.processes("edge-lstm-stream --json") for file in Path(f"/proc/{pid}/fd").iterdir())
    return any("/pts/" in str(file.readlink()) for file in open_files)


def done_copying(bundle: Path, target: Path) -> None:
    for file in bundle.rglob("*"):
        if file.is_file():
            (target / file.relative_to(bundle)).parent.mkdir(parents=True, exist_ok=True)
            (target / file.relative_to(bundle)).write_bytes(file.read_bytes())


# Debian's Python for an emulated Pi Zero has floats in software and loads no library that has them in hardware, as
# Raspberry Pi OS has them; the program, which needs none, runs there.
@pytest.mark.parametrize("pi", ["pi_arm64", "pi_armhf"], indirect=True)
def test_python_on_a_pi_says_the_same_with_the_shim_and_with_edge_lstm(
    pi: Board, bundle_of: Callable[[int], Path]
) -> None:
    """The shim needs the standard library alone; the base install takes the library of the bundle by itself."""
    bundle = bundle_of(0)
    done(deploy(pi, bundle))
    text, lines = lines_of(SAMPLES), expected(bundle, SAMPLES)
    shim = f"python3 -I -S {ROOT}/current/linux/edge_lstm_shim.py --json"
    assert pi.run(shim, stdin=text).stdout.splitlines() == lines
    install(pi)
    assert pi.run(f"edge-lstm stream {ROOT}/current --json", stdin=text).stdout.splitlines() == lines
    chosen = pi.run(f"edge-lstm stream {ROOT}/current -v", stdin="").stderr
    assert chosen == "stream: back end c, arithmetic native; the fastest\n"


def test_a_stream_on_a_pi_ends_in_one_line_when_its_sensor_is_unplugged(
    pi: Board, bundle_of: Callable[[int], Path]
) -> None:
    """What it was told until then has left, and its state is written."""
    bundle = bundle_of(0)
    done(deploy(pi, bundle))
    with (
        pi.serial_line("/dev/ttyUSB0") as sensor,
        pi.running(program(pi, "--from", "serial:/dev/ttyUSB0", "--state", STATE)) as stream,
    ):
        assert stream.stdout is not None
        assert stream.stderr is not None
        until(lambda: listens(pi))
        time.sleep(0.5)  # it forgets what came before it set the line
        sensor.write(b"ax,ay,az\n")
        for row, line in zip(SAMPLES[:5], expected(bundle, SAMPLES[:5]), strict=True):
            sensor.write(lines_of(row[None]).encode())
            assert stream.stdout.readline() == f"{line}\n"
        sensor.close()
        assert stream.wait(60) == 2
        (error,) = [line for line in stream.stderr.read().splitlines() if "error" in line]
    assert "serial:/dev/ttyUSB0" in error
    rest = pi.run(program(pi, "--state", STATE), stdin=lines_of(SAMPLES[5:])).stdout.splitlines()
    assert rest == expected(bundle, SAMPLES)[5:]
