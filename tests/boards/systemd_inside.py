"""The inside of the board that boots systemd: a process that becomes its container. Started by ``systemd_board.py``.

The first line of stdin says what to be, in JSON. Its file system begins as the cached root and ends with this process.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from boards import kernel

DISK = Path("/srv")
CGROUPS = Path("/sys/fs/cgroup")


def main(spec: dict[str, Any]) -> None:
    kernel.end_with_parent()
    for cgroup in cgroups(spec["hostname"], os.getpid()):
        cgroup.mkdir()
        (cgroup / "cgroup.procs").write_text("0\n")
    kernel.own_mounts()
    root = kernel.copy_on_write(Path(spec["root"]), DISK, spec["disk"])
    for path, (mode, content) in spec["files"].items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
        (root / path).chmod(mode)
    # Registering wants a systemd out here, and a unit of its own as well; the network is this machine's.
    options = ["--register=no", "--keep-unit", "--quiet", "--console=pipe", f"--machine={spec['hostname']}"]
    os.execvp("systemd-nspawn", ["systemd-nspawn", *options, f"--directory={root}", "--boot"])


def cgroups(name: str, container: int) -> list[Path]:
    """Of the container, one a hierarchy. Without one of its own, two boards would end each other's services."""
    tops = (CGROUPS / kind for kind in ("systemd", "unified", ""))
    return [top / f"{name}-{container}" for top in tops if (top / "cgroup.procs").exists()]


if __name__ == "__main__":
    main(json.loads(sys.stdin.readline()))
