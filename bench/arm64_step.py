r"""Instructions of one step from Python on 64-bit Arm, LSTM(32) on 8 channels: our library, tflite-runtime and LiteRT.

    python bench/arm64_step.py [ROOT]

ROOT is a Debian bookworm arm64 tree with Python; without it, the one of the emulated boards that tests deploy to. NumPy
and the others come from PyPI. A push takes a list of eight numbers in physical units, and is once left unread, once
asked for its label.

It runs under QEMU, which counts; a figure is the difference of a long and a short run, without the empty loop.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from machine import machine
from random_models import random_native, random_tflite, smooth

from edge_lstm.compiler import compile_shared
from edge_lstm.modelfile import encode_model
from edge_lstm_export.c_source import kernels, write_c
from edge_lstm_export.emulators.qemu import version
from edge_lstm_export.tflite import fused_tflite

CPUS = ("cortex-a72", "cortex-a76")
FEW, MANY = 64, 20_064
WHEELS = ("numpy==1.26.4", "safetensors", "tflite-runtime==2.14.0", "ai-edge-litert==2.3.0")
ZIG = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-gnu.2.31", "-mcpu=cortex_a72"]

COUNTER = b"""
#include <stddef.h>
#include <stdint.h>
typedef uint64_t id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
void qemu_plugin_register_vcpu_tb_trans_cb(id, void (*)(id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
void qemu_plugin_register_atexit_cb(id, void (*)(id, void *), void *);
void qemu_plugin_outs(const char *);
__attribute__((visibility("default"))) int qemu_plugin_version = 1;
static uint64_t executed;
static void translated(id plugin, struct qemu_plugin_tb *block)
{
    (void)plugin;
    qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &executed, qemu_plugin_tb_n_insns(block));
}
static void ended(id plugin, void *given)
{
    (void)plugin, (void)given;
    char line[24], *digit = line + sizeof line;
    *--digit = 0;
    do {
        *--digit = (char)('0' + executed % 10);
        executed /= 10;
    } while (executed != 0);
    qemu_plugin_outs(digit);
}
__attribute__((visibility("default"))) int qemu_plugin_install(id plugin, const void *about, int count, char **options)
{
    (void)about, (void)count, (void)options;
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
    qemu_plugin_register_atexit_cb(plugin, ended, NULL);
    return 0;
}
"""

WORKER = """
import sys
folder, what, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path[:0] = [folder + "/wheels", sys.argv[4]]
import numpy as np
codes = list(np.load(folder + "/codes.npy"))
small = list(np.load(folder + "/small.npy"))
if what.startswith("push"):
    from edge_lstm.modelfile import load_model
    from edge_lstm.runtimes.c_library import CLibrary
    from edge_lstm.streaming import LoadedModel
    model = load_model(folder + "/native.safetensors")
    push = LoadedModel(model, CLibrary(folder + "/model.so"), "native", "bench").stream().push
    sample = np.load(folder + "/samples.npy")[0].tolist()
    if what == "push":
        for k in range(steps):
            push(sample)
    else:
        for k in range(steps):
            push(sample).label
elif what in ("library", "CLibrary.step", "nothing"):
    from edge_lstm.runtimes.c_library import CLibrary
    library = CLibrary(folder + "/model.so")
    call, stream, given = library._step, library._stream, codes[0].tobytes()
    if what == "nothing":
        for k in range(steps):
            pass
    elif what == "library":
        for k in range(steps):
            call(stream, given)
    else:
        step, x = library.step, codes[0]
        for k in range(steps):
            step(x)
else:
    if what == "tflite-runtime":
        from tflite_runtime.interpreter import Interpreter
    else:
        from ai_edge_litert.interpreter import Interpreter
    run = Interpreter(folder + "/model.tflite", num_threads=1)
    run.allocate_tensors()
    into, out = run.get_input_details()[0]["index"], run.get_output_details()[0]["index"]
    x = small[0].reshape(run.get_input_details()[0]["shape"])
    for k in range(steps):
        run.set_tensor(into, x)
        run.invoke()
        run.get_tensor(out)
"""


def main(root: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as name:
        folder = Path(name)
        prepare(folder)
        describe_processors(root)
        print(f"{machine()}; qemu-aarch64 {version('qemu-aarch64')}; instructions a step, LSTM(32), 8 channels\n")
        for what in ("push", "tflite-runtime", "LiteRT"):
            total(root, folder, CPUS[0], what, FEW)  # writes the byte code of what it imports
        for cpu in CPUS:
            empty = per_step(root, folder, cpu, "nothing")
            contestants = ["library", "CLibrary.step", "push", "push and label"]
            contestants += ["tflite-runtime", "LiteRT"] if cpu == CPUS[0] else []
            for what in contestants:
                print(f"{cpu:<12}{what:<16}{per_step(root, folder, cpu, what) - empty:>9,.0f}", flush=True)


def boards_root() -> Path:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from boards import roots

    return roots.root("arm64")


def prepare(folder: Path) -> None:
    model, codes = random_native(8, (32,), 6, "w8a16")
    tflite, small = random_tflite(8, (32,), 6)
    sources = {**write_c(model, kernel_set_name="neon"), **kernels.kernel_files([kernels.HOST_FILE])}
    (folder / "model.so").write_bytes(compile_shared(sources, compiler=ZIG))
    (folder / "counter.so").write_bytes(compile_shared({"counter.c": COUNTER}))
    (folder / "model.tflite").write_bytes(fused_tflite(tflite))
    (folder / "worker.py").write_text(WORKER)
    np.save(folder / "codes.npy", codes.astype(np.int16))
    np.save(folder / "samples.npy", smooth(8, 4).astype(np.float64))
    (folder / "native.safetensors").write_bytes(encode_model(model))
    np.save(folder / "small.npy", small.astype(np.int8))
    platforms = ("manylinux_2_34_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:", "--python-version", "3.11"]
    pip += [word for platform in platforms for word in ("--platform", platform)]
    subprocess.run([*pip, "--target", folder / "wheels", *WHEELS], check=True)


def describe_processors(root: Path) -> None:
    """LiteRT ends in a segmentation fault where it cannot read which processors there are."""
    folder = root / "sys/devices/system/cpu"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("possible", "present", "online"):
        (folder / name).write_text("0-3\n")


def per_step(root: Path, folder: Path, cpu: str, what: str) -> float:
    few, many = (total(root, folder, cpu, what, steps) for steps in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def total(root: Path, folder: Path, cpu: str, what: str, steps: int) -> int:
    log = folder / "log"
    qemu = ["qemu-aarch64", "-cpu", cpu, "-L", root, "-plugin", folder / "counter.so", "-d", "plugin", "-D", log]
    python = [root / "usr/bin/python3.11", "-S", folder / "worker.py", folder, what, str(steps)]
    environment = {"LD_LIBRARY_PATH": "", "PYTHONHASHSEED": "0", "PYTHONHOME": f"{root}/usr"}
    environment["OPENBLAS_NUM_THREADS"] = "1"  # its threads would wait in circles, which counts
    command = [*qemu, *python, str(Path(__file__).resolve().parent.parent)]
    subprocess.run(command, check=True, env={"PATH": "/usr/bin:/bin", **environment}, stdout=subprocess.DEVNULL)
    return int(log.read_text().split()[-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else boards_root())
