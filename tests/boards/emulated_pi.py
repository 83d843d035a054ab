"""Raspberry Pis of this machine: another processor's Linux under QEMU, behind a real SSH server on 127.0.0.1.

    python tests/boards/emulated_pi.py [NAME]

starts one and says how to reach it, until Enter. Needs root and Linux 6.7, which keeps binfmt_misc by user namespace.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from boards import kernel, pi_inside, roots
from boards.board import Board
from boards.secure_shell import HOST, answers, free_port, make_keys

DISK = 256 << 20
"""Bytes that a board may change or add."""

TRIES = 3
"""Another program may take a free port before the server does."""


@dataclass(frozen=True)
class Pi:
    """What a Raspberry Pi says it is, and what emulates it.

    Args:
        recipe: of its root.
        qemu: the program; static, because it runs where none of this machine's libraries are.
        cpu: never ``max``, on which LiteRT computes wrong bytes.
        elf: bytes 4, 5 and 18 of its programs: class, byte order, processor.
    """

    recipe: str
    model: str
    qemu: str
    cpu: str
    elf: tuple[int, int, int]
    features: str
    part: tuple[str, str, str, str]
    """CPU implementer, variant, part and revision of ``/proc/cpuinfo``."""
    architecture: str
    revision: str
    cores: int = 4


PIS = {
    "pi-arm64": Pi(
        recipe="arm64",
        model="Raspberry Pi 4 Model B Rev 1.5",
        qemu="qemu-aarch64-static",
        cpu="cortex-a72",
        elf=(2, 1, 183),
        features="fp asimd evtstrm crc32 cpuid",
        part=("0x41", "0x0", "0xd08", "3"),
        architecture="8",
        revision="d03115",
    ),
    "pi-armhf": Pi(
        recipe="armhf",
        model="Raspberry Pi 2 Model B Rev 1.1",
        qemu="qemu-arm-static",
        cpu="cortex-a7",
        elf=(1, 1, 40),
        features="half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
        part=("0x41", "0x0", "0xc07", "5"),
        architecture="7",
        revision="a21041",
    ),
    "pi-zero": Pi(
        recipe="armel",
        model="Raspberry Pi Zero W Rev 1.1",
        qemu="qemu-arm-static",
        cpu="arm1176",
        elf=(1, 1, 40),
        features="half thumb fastmult vfp edsp java tls",
        part=("0x41", "0x0", "0xb76", "7"),
        architecture="7",
        revision="9000c1",
        cores=1,
    ),
}


def start(name: str, wheels: tuple[str, ...] | None = None, disk: int = DISK) -> Board:
    """A Pi fresh from its root, with key authentication for the user ``pi``.

    Args:
        wheels: sets its Python finds; ``()`` leaves the standard library alone, None is what edge-lstm needs if it is
            to be had.
        disk: bytes it may change or add.

    Raises:
        RuntimeError: if it does not come up; the message holds the server's log.
    """
    kernel.require_root()
    pi = PIS[name]
    root = roots.root(pi.recipe)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    make_keys(folder)
    wrapper = _with_cpu(folder, pi)
    for _ in range(TRIES):
        port = free_port()
        process, pid = _launch(name, pi, root, folder, wrapper, port, disk)
        if pid and answers(port, seconds=20) and _listens(folder, port):
            break
        _end(process)
    else:
        raise RuntimeError(f"{name} does not answer: {(folder / 'log').read_text()}")

    def halt() -> None:
        _end(process)
        shutil.rmtree(folder)

    machine = roots.RECIPES[pi.recipe].machine
    board = Board(name, machine, HOST, port, "pi", folder, pid, str(pi_inside.DISK / "root"), halt)
    board.use(*(roots.RECIPES[pi.recipe].wheels.keys() & {"base"} if wheels is None else wheels))
    return board


def _launch(
    name: str, pi: Pi, root: Path, folder: Path, wrapper: Path, port: int, disk: int
) -> tuple[subprocess.Popen[str], int]:
    """The process that becomes the board, and the number of the board's first process, 0 if it failed."""
    online = "0\n" if pi.cores == 1 else f"0-{pi.cores - 1}\n"
    spec = {
        "hostname": name,
        "root": str(root),
        "disk": disk,
        "qemu": _emulator(pi),
        "rule": _rule(pi, wrapper),
        "cpuinfo": cpuinfo(pi),
        "files": {
            # LiteRT ends in a segmentation fault where it cannot read which processors there are.
            **{f"sys/devices/system/cpu/{which}": online for which in ("possible", "present", "online")},
            "sys/firmware/devicetree/base/model": f"{pi.model}\0",
            "etc/hostname": f"{name}\n",
            "etc/hosts": f"127.0.0.1 localhost {name}\n",
        },
        "authorised": (folder / "key.pub").read_text(),
        "sshd": _server_options(folder, port),
    }
    with (folder / "log").open("ab") as log:
        words = [sys.executable, pi_inside.__file__]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    _tell(process, json.dumps(spec))
    if process.stdout.readline() != "unshared\n":
        return process, 0
    for kind in ("uid", "gid"):
        Path(f"/proc/{process.pid}/{kind}_map").write_text("0 0 65536\n")
    _tell(process, "mapped")
    pid = int(process.stdout.readline() or 0)
    return process, pid if process.stdout.readline() == "started\n" else 0


def _listens(folder: Path, port: int) -> bool:
    """Whether it is our server that answered there."""
    return f"Server listening on {HOST} port {port}." in (folder / "log").read_text()


def _emulator(pi: Pi) -> str:
    found = shutil.which(pi.qemu)
    if found is None:
        raise RuntimeError(f"{pi.qemu} is not installed, which emulates {pi.cpu}; apt install qemu-user-static")
    return found


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.wait(timeout=20)
    process.stdout.close()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _server_options(folder: Path, port: int) -> list[str]:
    settings = {
        "ListenAddress": HOST,
        "Port": port,
        "HostKey": folder / "host_key",
        "AuthorizedKeysFile": pi_inside.DISK / "authorized_keys",
        "AllowUsers": "pi",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "no",
        "PidFile": "none",
        "MaxStartups": 100,
        "MaxSessions": 100,
        "Subsystem": "sftp internal-sftp",
        "ChrootDirectory": pi_inside.DISK / "root",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    return ["-f", "/dev/null", "-E", str(folder / "log"), *options]


WRAPPER = """
#include <unistd.h>
/* The kernel hands over its own name, the file and what the caller called it; QEMU takes the processor besides. */
int main(int count, char **given)
{
    char *words[count + 4];
    words[0] = "/%(qemu)s", words[1] = "-cpu", words[2] = "%(cpu)s", words[3] = "-0", words[4] = given[2];
    words[5] = given[1];
    for (int k = 3; k <= count; k++) {
        words[k + 3] = given[k];
    }
    return execv(words[0], words);
}
"""


def _with_cpu(folder: Path, pi: Pi) -> Path:
    """QEMU with the processor named. An environment variable would do, until a program clears its environment."""
    source, program = folder / "wrapper.c", folder / "wrapper"
    source.write_text(WRAPPER % {"qemu": pi_inside.QEMU, "cpu": pi.cpu})
    subprocess.run(["cc", "-static", "-O1", "-o", program, source], check=True)
    return program


def _rule(pi: Pi, interpreter: Path) -> str:
    """How the kernel knows the processor's programs; F opens the interpreter now, outside of the board's root."""
    bits, order, processor = pi.elf
    header = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9) + b"\x02\0" + bytes([processor, 0])
    mask = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
    escaped = ["".join(f"\\x{byte:02x}" for byte in part) for part in (header, mask)]
    return f":{pi.recipe}:M::{escaped[0]}:{escaped[1]}:{interpreter}:PF"


def cpuinfo(pi: Pi) -> str:
    """What the Pi's kernel shows of its cores."""
    implementer, variant, part, revision = pi.part
    core = {
        "BogoMIPS": "108.00",
        "Features": pi.features,
        "CPU implementer": implementer,
        "CPU architecture": pi.architecture,
        "CPU variant": variant,
        "CPU part": part,
        "CPU revision": revision,
    }
    cores = ["".join(f"{key}\t: {value}\n" for key, value in {"processor": k, **core}.items()) for k in range(pi.cores)]
    return "\n".join([*cores, f"Revision\t: {pi.revision}\nModel\t\t: {pi.model}\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="pi-arm64", choices=PIS)
    board = start(parser.parse_args().name)
    try:
        input(f"ssh -F {board.ssh_config} {board.name}\nits files: {board.root}\nEnter ends it. ")
    finally:
        board.stop()


if __name__ == "__main__":
    main()
