"""The boards that tests deploy to: they are what they say, compute what the reference computes, and can be hurt."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from boards.board import Board
from boards.cut_wire import CutWire, cut_wire
from boards.installed import install
from boards.secure_shell import answers, make_keys, write_known_host
from live_streams import said, text, until
from qemu_boards import SERIES, write_board_bundle
from safetensors.numpy import load_file

from boards import roots
from edge_lstm.arithmetic.fused import ON_ARM
from edge_lstm.board import load_board
from edge_lstm.bundle import LIBRARY, Bundle
from edge_lstm.compiler import compile_shared
from edge_lstm.reference import network, traces
from edge_lstm_export.c_source import kernels, write_c

MACHINES = {
    "pi-arm64": ("aarch64", 64, "4", "cortex-a72"),
    "pi-armhf": ("armv7l", 32, "4", "cortex-a7"),
    "pi-zero": ("armv6l", 32, "1", "arm1176"),
}
"""Machine, bits, cores, and the processor that QEMU is."""

ZIG = {
    "aarch64": ["-target", "aarch64-linux-musl", "-mcpu=cortex_a72"],
    "armv7l": ["-target", "arm-linux-musleabihf", "-mcpu=cortex_a7"],
    "armv6l": ["-target", "arm-linux-musleabihf", "-mcpu=arm1176jzf_s"],
}
"""Machine → how zig is told of it."""

STATIC = """
#include <stdio.h>
int main(void)
{
    float seen = 0, sample;
    while (scanf("%f", &sample) == 1) {
        seen += sample;
    }
    printf("%d bits, sum %.2f\\n", (int)(8 * sizeof(void *)), seen);
    return 0;
}
"""

WHO = """
import json, platform, struct, sys
print(json.dumps([platform.machine(), 8 * struct.calcsize("P"), list(sys.version_info[:2])]))
"""

REPLAY = """
import json, sys
from safetensors.numpy import load_file
from edge_lstm.bundle import Bundle
from edge_lstm.runtimes import BACK_ENDS

bundle = Bundle.open(sys.argv[1])
window = bundle.interface.task.window
for name in sys.argv[2:]:
    for arithmetic in ("tflite", "step"):
        golden = load_file(bundle.file(f"golden/{arithmetic}.safetensors"))
        runtime, seen = BACK_ENDS[name].open(bundle, arithmetic), []
        for k in range(sum(key.endswith(".codes") for key in golden)):
            for step, codes in enumerate(golden[f"{k}.codes"]):
                if step % window == 0:
                    runtime.reset()
                seen.append([runtime.step(codes).tolist(), [[h.tolist(), c.tolist()] for h, c in runtime.get_state()]])
        print(json.dumps(seen))
"""
"""The golden recordings through TFLite runtimes: outputs and states of every step, a line a runtime and arithmetic."""


@pytest.fixture(params=["pi_arm64", "pi_armhf", "pi_zero"])
def any_pi(request: pytest.FixtureRequest) -> Board:
    board: Board = request.getfixturevalue(request.param)
    return board


@pytest.fixture(params=["pi_arm64", "pi_armhf"])
def pi(request: pytest.FixtureRequest) -> Board:
    board: Board = request.getfixturevalue(request.param)
    return board


def put_text(board: Board, name: str, content: str) -> None:
    (board.home / name).write_text(content)


def test_a_pi_is_what_it_says(any_pi: Board) -> None:
    """Its shell and its Python are of its own processor, and its kernel describes it."""
    machine, bits, cores, _ = MACHINES[any_pi.name]
    asked = "uname -m; getconf LONG_BIT; hostname; id -un; grep -c ^processor /proc/cpuinfo; python3 -"
    *words, about = any_pi.run(asked, stdin=WHO).stdout.splitlines()
    assert words == [machine, str(bits), any_pi.name, "pi", cores]
    assert json.loads(about) == [machine, bits, [3, 11]]
    assert any_pi.machine == machine


def test_a_pi_has_the_tools_that_deployment_needs(pi: Board) -> None:
    asked = "for tool in sha256sum tar gzip flock df mv sync stat nohup timeout which awk ps; do which $tool; done"
    assert len(pi.run(asked).stdout.split()) == 13
    assert (
        pi.run("ls /dev/null /dev/zero /dev/random /dev/urandom /dev/shm /sys/devices/system/cpu/online").stderr == ""
    )
    moved = "mkdir 1 2 && ln -s 1 a && ln -s 2 b && mv -T b a && readlink a && rm -r a 1 2"
    assert pi.run(moved).stdout == "2\n"


def test_a_program_keeps_its_processor_in_an_empty_environment(any_pi: Board) -> None:
    """QEMU would run it on a processor that no Pi has, on which LiteRT computes wrong bytes."""
    assert any_pi.run("env -i /usr/bin/uname -m").stdout == f"{any_pi.machine}\n"
    with any_pi.running("exec env -i /bin/sleep 60"):
        until(lambda: any_pi.processes("^/bin/sleep 60$"))
        (process,) = any_pi.processes("^/bin/sleep 60$")
        assert MACHINES[any_pi.name][3] in Path(f"/proc/{process}/cmdline").read_text().split("\0")


def test_a_static_program_of_its_processor_runs(any_pi: Board, tmp_path: Path) -> None:
    """Built here, copied there, fed through SSH."""
    (tmp_path / "sum.c").write_text(STATIC)
    zig = [sys.executable, "-m", "ziglang", "cc", *ZIG[any_pi.machine], "-static", "-O2", "-s"]
    subprocess.run([*zig, "-o", "sum", "sum.c"], check=True, cwd=tmp_path)
    any_pi.put(tmp_path / "sum", to="sum")
    assert any_pi.run("./sum", stdin="1.5\n2.25\n").stdout == f"{MACHINES[any_pi.name][1]} bits, sum 3.75\n"


def test_a_copied_file_arrives_equal(pi: Board, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(3_000_001)
    (tmp_path / "noise").write_bytes(content)
    pi.put(tmp_path / "noise", to="arrived")
    assert pi.run("sha256sum arrived").stdout == f"{hashlib.sha256(content).hexdigest()}  arrived\n"
    assert (pi.home / "arrived").read_bytes() == content
    assert pi.run("rm arrived; tty", check=False).stdout == "not a tty\n"


def test_a_process_is_found_and_killed_from_outside(pi: Board) -> None:
    """Its command line is what the board called; no other board's process is found."""
    with pi.running("echo started; exec sleep 61") as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "started\n"
        until(lambda: pi.processes("^sleep 61$"))
        assert list(pi.processes("^sleep 61$").values()) == [["sleep", "61"]]
        assert pi.kill("^sleep 61$") == 1
        client.wait(20)
    assert pi.processes("sleep 61") == {}


def test_a_full_disk_takes_no_more(pi: Board) -> None:
    """And takes again what it took before once there is room."""
    pi.fill_disk(free=100_000)
    refused = pi.run("head -c 1000000 /dev/zero > big", check=False)
    assert refused.returncode != 0
    assert "No space left on device" in refused.stderr
    pi.free_disk()
    assert pi.run("head -c 1000000 /dev/zero > big && wc -c < big && rm big").stdout == "1000000\n"


def test_a_small_disk_is_as_small_as_asked(fresh_board: Callable[..., Board]) -> None:
    board = fresh_board("pi-armhf", disk=4 << 20)
    size, free = map(int, board.run("df --output=size,avail --block-size=1 . | tail -1").stdout.split())
    assert size == 4 << 20
    assert free < size


def test_a_read_only_disk_takes_nothing(pi: Board) -> None:
    with pi.read_only():
        refused = pi.run("touch home-file", check=False)
    assert "Read-only file system" in refused.stderr
    assert pi.run("touch home-file && rm home-file").returncode == 0


def test_a_serial_line_carries_samples_until_it_is_unplugged(pi: Board) -> None:
    with pi.serial_line("/dev/ttyUSB0") as sensor, pi.running("exec cat /dev/ttyUSB0") as reader:
        assert reader.stdout is not None
        until(lambda: pi.processes("^cat /dev/ttyUSB0$"))
        sensor.write(b"1.5,2.5\n")
        assert reader.stdout.readline() == "1.5,2.5\n"
        sensor.close()
        reader.wait(20)
    assert "No such file" in pi.run("cat /dev/ttyUSB0", check=False).stderr


def test_a_client_without_the_key_or_with_another_host_key_is_refused(pi_armhf: Board, tmp_path: Path) -> None:
    make_keys(tmp_path)
    write_known_host(tmp_path / "known", pi_armhf.name, tmp_path / "host_key.pub")
    for changed, message in (
        ({"IdentityFile": tmp_path / "key"}, "Permission denied (publickey)"),
        ({"UserKnownHostsFile": tmp_path / "known"}, "Host key verification failed"),
        ({"User": "nobody"}, "Permission denied (publickey)"),
    ):
        config = pi_armhf.client("refused", **changed)
        words = ["ssh", "-F", str(config), pi_armhf.name, "true"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 255
        assert message in done.stderr


def test_a_wire_is_cut_at_the_byte_asked(pi_armhf: Board, tmp_path: Path) -> None:
    """A copy ends half-way and nobody can connect through it any more; the board itself is well."""
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).bytes(200_000))

    def copy(wire: CutWire) -> subprocess.CompletedProcess[str]:
        config = pi_armhf.client("cut", Port=wire.port)
        words = ["scp", "-q", "-F", str(config), str(tmp_path / "noise"), f"{pi_armhf.name}:noise"]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    with cut_wire(pi_armhf.port) as whole:
        assert copy(whole).returncode == 0
    assert 200_000 < whole.sent < 250_000
    assert pi_armhf.run("wc -c < noise; rm noise").stdout == "200000\n"
    with cut_wire(pi_armhf.port, after=whole.sent // 2) as wire:
        assert copy(wire).returncode != 0
        assert wire.sent == whole.sent // 2
        assert copy(wire).returncode != 0
    assert int(pi_armhf.run("wc -c < noise; rm noise").stdout) < 200_000


def test_two_boards_of_one_kind_share_nothing(fresh_board: Callable[..., Board]) -> None:
    """Each starts clean from the same root, which stays as it is, and goes without a trace."""
    kept = sorted(path.name for path in (roots.root("arm64") / "home/pi").iterdir())
    mounts = Path("/proc/mounts").read_text()
    one, other = fresh_board("pi-arm64"), fresh_board("pi-arm64", wheels=())
    one.run("echo mine > file; rm /usr/bin/python3.11 2>/dev/null; nohup sleep 300 >/dev/null 2>&1 &")
    until(lambda: one.processes("^sleep 300$"))
    assert other.processes("^sleep 300$") == {}
    assert other.run("ls -A").stdout == ""
    assert other.run("python3 -c 'import numpy'", check=False).stderr.endswith("No module named 'numpy'\n")
    first, folder, port = one.pid, one.folder, one.port
    one.stop()
    assert not Path(f"/proc/{first}").exists()
    assert not folder.exists()
    assert not answers(port, seconds=0.2)
    assert Path("/proc/mounts").read_text() == mounts
    assert sorted(path.name for path in (roots.root("arm64") / "home/pi").iterdir()) == kept == []


STARTS = """
import time
from boards import emulated_pi, systemd_board

print(*(board.pid for board in (emulated_pi.start("pi-zero"), systemd_board.start())), flush=True)
time.sleep(600)
"""


def test_boards_end_with_whoever_started_them(tmp_path: Path) -> None:
    """Also when that is killed and cannot stop them; what it left in the temporary folder is all that remains."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "TMPDIR": str(tmp_path)}
    # -P: the checkout has a folder `boards` of its own, and would be found first.
    words = [sys.executable, "-P", "-c", STARTS]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as starter:
        assert starter.stdout is not None
        running = [Path("/proc", pid) for pid in starter.stdout.readline().split()]
        assert [path.exists() for path in running] == [True, True]
        starter.kill()
    until(lambda: not any(path.exists() for path in running))


def test_a_root_that_cannot_be_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message holds the tool's last words; no half of a root is ever taken for one."""
    monkeypatch.setattr(roots, "mirror", lambda: "http://127.0.0.1:9/debian")
    with pytest.raises(RuntimeError, match=r"mmdebstrap ended with exit code \d+:[\s\S]*127\.0\.0\.1:9"):
        roots.root("armel", tmp_path)
    assert not list(tmp_path.glob("armel-*"))


def board_bundle(folder: Path, board_name: str, machine: str) -> Bundle:
    """A bundle with the library of that machine."""
    bundle = write_board_bundle(folder, board_name)
    sources = write_c(bundle.model("native"), kernel_set_name=load_board(board_name).core.kernels)
    sources |= kernels.kernel_files([kernels.HOST_FILE])
    library = compile_shared(sources, compiler=[sys.executable, "-m", "ziglang", "cc", *ZIG[machine]])
    name = LIBRARY.format(machine=machine)
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(library)
    manifest = bundle.manifest
    manifest["files"][name] = {"sha256": hashlib.sha256(library).hexdigest(), "bytes": len(library)}
    manifest["arithmetics"][name] = ["native"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Bundle.open(folder)


@pytest.fixture(scope="module")
def computing(pi_arm64: Board, pi_armhf: Board, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Both Pis with edge-lstm installed, and on each a bundle with the library of its machine: name → the bundle."""
    boards = {"raspberry-pi-4": pi_arm64, "raspberry-pi-2b": pi_armhf}
    made = {}
    for board_name, pi in boards.items():
        install(pi)
        bundle = board_bundle(tmp_path_factory.mktemp(pi.name), board_name, pi.machine)
        made[pi.name] = bundle
        pi.put(bundle.path, to="walk")
    return made


def test_every_back_end_of_a_pi_streams_the_lines_of_the_reference(pi: Board, computing: dict[str, Bundle]) -> None:
    """``edge-lstm`` as it is installed there: NumPy, and the library that was compiled here."""
    samples = np.concatenate(SERIES[:2])
    expected = said(computing[pi.name].path, samples)
    for backend in ("reference", "c"):
        streamed = pi.run(f"edge-lstm stream walk --backend {backend}", stdin=text(samples))
        assert streamed.stderr == ""
        assert streamed.stdout.splitlines() == expected
    assert len(expected) == 6


def test_tflite_on_a_pi_computes_what_the_reference_says_of_arm(pi: Board, computing: dict[str, Bundle]) -> None:
    """Outputs and states of every golden step, of both files, by the dense rounding that each runtime has there."""
    installed = [name for name in roots.RECIPES[pi.name.removeprefix("pi-")].wheels if name != "base"]
    pi.use("base", *installed)
    try:
        lines = pi.run(f"python3 - walk {' '.join(installed)}", stdin=REPLAY).stdout.splitlines()
    finally:
        pi.use("base")
    wanted = [(name, arithmetic) for name in installed for arithmetic in ("tflite", "step")]
    for (name, arithmetic), line in zip(wanted, lines, strict=True):
        assert json.loads(line) == expected_of(computing[pi.name], arithmetic, ON_ARM[name]), (name, arithmetic)


def test_arm_and_x86_differ_by_one_code_in_a_small_head_and_nowhere_else(tmp_path: Path) -> None:
    """What the reference says of both, of a head with six columns: in some steps of a few hundred."""
    bundle = write_board_bundle(tmp_path, "raspberry-pi-4")
    for arithmetic in ("tflite", "step"):
        x86 = expected_of(bundle, arithmetic, "tflite")
        for row in ON_ARM.values():
            arm = expected_of(bundle, arithmetic, row)
            assert [states for _, states in arm] == [states for _, states in x86]
            apart = np.abs(np.array([y for y, _ in arm]) - np.array([y for y, _ in x86]))
            assert apart.max() == 1
            assert 0 < np.count_nonzero(apart.any(axis=1)) < len(apart) / 10


def expected_of(bundle: Bundle, arithmetic: str, row: str) -> list[list[object]]:
    """[outputs, [hidden, cell] a layer] of every golden step, by a row of ``RULES``."""
    model, golden = bundle.model(arithmetic), load_file(bundle.file(f"golden/{arithmetic}.safetensors"))
    recordings = [golden[f"{k}.codes"] for k in range(sum(key.endswith(".codes") for key in golden))]
    last = len(model.layers)
    return [
        [seen[last, "y"][step].tolist(), [[seen[k, name][step].tolist() for name in "hc"] for k in range(last)]]
        for seen in traces(network(model, row), recordings, bundle.interface.task.window)
        for step in range(len(seen[last, "y"]))
    ]


SERVICE = """
[Service]
Type=notify
ExecStart=/usr/bin/python3 -u /home/pi/service.py
WatchdogSec=1
Restart=on-failure
RestartSec=100ms
TimeoutAbortSec=1
[Install]
WantedBy=multi-user.target
"""

HANGS = """
import os, socket, time
from pathlib import Path

starts = Path("/home/pi/starts")
starts.write_text(starts.read_text() + "x" if starts.exists() else "x")

def tell(words):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(words.encode(), os.environ["NOTIFY_SOCKET"].replace("@", chr(0)))

tell("READY=1")
while len(starts.read_text()) > 1:
    tell("WATCHDOG=1")
    time.sleep(0.2)
time.sleep(600)
"""


def test_a_board_boots_systemd_with_nothing_failed(systemd_board: Board) -> None:
    """The system's manager and the user's own, an SSH server that systemd started, and sudo without a password."""
    asked = "systemctl is-system-running --wait; systemctl --failed --no-legend; systemctl is-active ssh"
    words = systemd_board.run(f"{asked}; systemctl --user is-system-running; sudo -n id -un; id -un; uname -m")
    assert words.stdout.split() == ["running", "active", "running", "root", "pi", "x86_64"]
    config = systemd_board.client("as_root", User="root")
    done = subprocess.run(
        ["ssh", "-F", str(config), systemd_board.name, "id -u"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"


def test_systemd_restarts_a_service_that_hangs_and_one_that_is_killed(fresh_board: Callable[..., Board]) -> None:
    """The first start hangs after READY=1 and is ended by the watchdog; the second one feeds it, until kill -9."""
    board = fresh_board("board-systemd")
    put_text(board, "service.py", HANGS)
    (board.root / "etc/systemd/system/hangs.service").write_text(SERVICE)
    board.run("sudo systemctl daemon-reload && sudo systemctl enable --now --quiet hangs")

    def shown(key: str) -> str:
        return board.run(f"systemctl show hangs --property {key} --value").stdout.strip()

    until(lambda: shown("NRestarts") == "1" and shown("ActiveState") == "active")
    assert "Watchdog timeout" in board.run("journalctl --unit hangs --no-pager").stdout
    until(lambda: board.kill("service.py") == 1)
    until(lambda: shown("NRestarts") == "2" and shown("ActiveState") == "active")
    assert (board.home / "starts").read_text() == "xxx"


def test_a_board_with_systemd_can_be_hurt_like_a_pi(systemd_board: Board) -> None:
    systemd_board.fill_disk(free=0)
    assert "No space left" in systemd_board.run("head -c 1000000 /dev/zero > big", check=False).stderr
    systemd_board.free_disk()
    with systemd_board.read_only():
        assert "Read-only file system" in systemd_board.run("touch file", check=False).stderr
    with systemd_board.serial_line() as sensor, systemd_board.running("exec cat /dev/ttyUSB0") as reader:
        assert reader.stdout is not None
        until(lambda: systemd_board.processes("^cat /dev/ttyUSB0$"))
        sensor.write(b"1.5,2.5\n")
        assert reader.stdout.readline() == "1.5,2.5\n"
    systemd_board.run("rm big")


def test_boards_with_systemd_stand_side_by_side_and_go_without_a_trace(fresh_board: Callable[..., Board]) -> None:
    mounts = Path("/proc/mounts").read_text()
    one, other = fresh_board("board-systemd"), fresh_board("board-systemd", wheels=())
    one.run("echo mine > file")
    assert other.run("ls -A").stdout == ""
    cgroups = [line.split(":")[2] for line in Path(f"/proc/{one.pid}/cgroup").read_text().splitlines()]
    own = {path.split("/")[1] for path in cgroups if "board-systemd" in path}
    assert len(own) == 1
    # Looked up, not walked: sessions of the other board come and go meanwhile.
    tops = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]
    groups = [top.joinpath(*own) for top in tops]
    assert any(group.exists() for group in groups)
    one.stop()
    assert not any(group.exists() for group in groups)
    assert other.run("systemctl is-system-running --wait").stdout == "running\n"
    other.stop()
    assert Path("/proc/mounts").read_text() == mounts
