"""Predictions on a Linux board from Python alone: ctypes and the shared library beside this file, nothing to install.

    from edge_lstm_shim import Stream

    stream = Stream()                       # of the bundle this file lies in
    for sample in sensor:                   # physical units, in the order of stream.channels
        prediction = stream.push(sample)    # None inside a window
        if prediction:
            print(prediction["label"], prediction["probability"])

    python3 edge_lstm_shim.py [--json] [--every-step] [--state FILE] < samples.csv

Bytes and lines are those of ``edge-lstm stream``. Written for Python 3.7 and newer.
"""

import argparse
import ctypes
import hashlib
import json
import math
import os
import platform
import struct
import sys
from pathlib import Path

VERSION = 5
"""Of the library's interface."""

_SHAPE = ("version", "floating", "channels", "outputs", "layers", "units", "state_bytes", "taps", "cells")
_STEP_BYTES = 8
"""Before the codes of what a stream says stands the step they are of."""

_MODEL = "integer/native.safetensors"
_LIBRARY = "linux/{}/libedge_lstm_model.so"


class ShimError(Exception):
    """What cannot be done, in one line."""


class _HostStream(ctypes.Structure):
    _fields_ = (
        ("state", ctypes.c_void_p),
        ("said", ctypes.c_void_p),
        ("step", ctypes.c_uint64),
        ("window", ctypes.c_uint32),
        ("at", ctypes.c_uint32),
        ("talkative", ctypes.c_uint32),
    )


class Stream:
    """One sensor's stream through the bundle's model.

    Args:
        bundle: its folder; None takes the one this file lies in.
        every_step: also predict inside a window, not at its end alone.

    Raises:
        ShimError: if the bundle is not whole, or holds no library that this computer runs.
    """

    def __init__(self, bundle=None, every_step=False):
        self.bundle = Path(bundle) if bundle is not None else Path(__file__).resolve().parent.parent
        manifest = _read_json(self.bundle / "manifest.json")
        self._interface, self._files = manifest["interface"], manifest["files"]
        self.name, self.channels = manifest["name"], list(self._interface["channels"])
        self._task = self._interface["task"]
        self.outputs, self.window = list(self._task["outputs"]), self._task["window"]
        self._scores, self._every_step = self._task["kind"] == "anomaly", every_step
        self._decoding = _header_of(self._checked(_MODEL))["decoding"]
        self._model = self._files[_MODEL]["sha256"]
        self._load()
        self.reset()

    def push(self, sample):
        """Take one sample, a number a channel in physical units: a prediction as a dictionary, None inside a window.

        Raises:
            ShimError: if it is no sample. The stream is then as it was.
        """
        try:
            doubles = self._pack(*sample)
        except (TypeError, struct.error):
            raise ShimError(
                "step %d: %r is no sample of %d numbers" % (self.step, sample, len(self.channels))
            ) from None
        due = self._push(self._stream_at, doubles)
        if due < 0:
            raise ShimError("step %d: %r holds a value that is not finite; repair or skip it" % (self.step, sample))
        if not due:
            return None
        step, decoding = self.step - 1, self._decoding
        output = [(code - decoding["zero"]) * decoding["scale"] for code in self._codes]
        judged = self._judge(sample, output) if self._scores else {}
        return self._prediction(output, step, judged) if self._speaks(step) else None

    @property
    def step(self):
        """Index of the next sample."""
        return self._stream.step

    def reset(self):
        """Forget everything: zero state, step 0."""
        ctypes.memset(self._state, 0, len(self._state))
        self._go_to(0)
        self._score, self._forecast = 0.0, None

    def save(self):
        """Everything the stream remembers, as bytes for ``load``."""
        head = {"model": self._model, "step": self.step, "score": self._score, "forecast": self._forecast}
        text = json.dumps(head, sort_keys=True).encode()
        body = struct.pack("<I", len(text)) + text + bytes(self._state)[: self._kept]
        return b"edge-lstm-shim 1\n" + hashlib.sha256(body).digest() + body

    def load(self, data):
        """Go on from what ``save`` gave.

        Raises:
            ShimError: if it is damaged or of another model. The stream is then as it was.
        """
        begin = b"edge-lstm-shim 1\n"
        body = data[len(begin) + 32 :]
        if data[: len(begin)] != begin or hashlib.sha256(body).digest() != data[len(begin) : len(begin) + 32]:
            raise ShimError("the saved stream is damaged, or is none; remove it")
        (length,) = struct.unpack("<I", body[:4])
        head, state = json.loads(body[4 : 4 + length].decode()), body[4 + length :]
        if head["model"] != self._model or len(state) != self._kept:
            raise ShimError("the saved stream is of another model; remove it")
        ctypes.memmove(self._state, state, self._kept)
        self._score, self._forecast = head["score"], head["forecast"]
        self._go_to(head["step"])

    def _go_to(self, step):
        self._stream.step, self._stream.at = step, step % self.window if self.window else 0

    def _load(self):
        library = self._library()
        shape = dict(zip(_SHAPE, (ctypes.c_int32 * len(_SHAPE)).in_dll(library, "el_host_shape")))
        if shape["version"] != VERSION or shape["floating"]:
            raise ShimError("%s: its library is not of this shim; deploy or export the bundle again" % self.bundle)
        # The state's cells, hidden states and scratch; only the first two hold anything between steps.
        self._kept = 4 * shape["cells"] + 2 * shape["units"]
        self._state = ctypes.create_string_buffer(shape["state_bytes"])
        self._said = ctypes.create_string_buffer(_STEP_BYTES + 2 * shape["outputs"])
        self._codes = (ctypes.c_int16 * shape["outputs"]).from_buffer(self._said, _STEP_BYTES)
        state, said = ctypes.addressof(self._state), ctypes.addressof(self._said)
        # A score compares every sample with the forecast before it, also where nothing is said.
        self._stream = _HostStream(state, said, 0, self.window or 0, 0, self._every_step or self._scores)
        self._stream_at = ctypes.byref(self._stream)
        self._pack = struct.Struct("%dd" % shape["channels"]).pack
        self._push = library.el_host_push

    def _library(self):
        there = [name for name in _architectures() if (self.bundle / _LIBRARY.format(name)).is_file()]
        if not there:
            raise ShimError(
                "%s: holds no library for %s; export or deploy it for that" % (self.bundle, platform.machine())
            )
        try:
            # The interpreter is not let go: a step takes less time than that.
            return ctypes.PyDLL(str(self._checked(_LIBRARY.format(there[0]))))
        except OSError as error:
            raise ShimError("%s: its library does not load here: %s" % (self.bundle, error)) from None

    def _checked(self, name):
        file = self.bundle / name
        try:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise ShimError("%s: cannot be read: %s; deploy the bundle again" % (file, error.strerror)) from None
        if digest != self._files.get(name, {}).get("sha256"):
            raise ShimError("%s: was changed; deploy the bundle again" % file)
        return file

    def _speaks(self, step):
        return self.window is None or self._every_step or step % self.window == self.window - 1

    def _judge(self, sample, output):
        """Smoothed residual of the forecast made one step before, as ``edge_lstm.streaming.anomaly``."""
        rule, forecast, self._forecast = self._task["anomaly"], self._forecast, output
        if forecast is None:
            return {}
        physical = [float(sample[channel]) for channel in self._task["target_channels"]]
        scaling = self._interface["target_scaling"]
        scaled = [(x - o) / s for x, o, s in zip(physical, scaling["offset"], scaling["scale"])]
        residual = math.fsum(abs(y - x) for y, x in zip(forecast, scaled)) / len(scaled)
        self._score += rule["smoothing"] * (residual - self._score)
        return {"score": self._score, "anomaly": self._score > rule["threshold"]}

    def _prediction(self, output, step, judged):
        rate, task = self._interface["rate_hz"], self._task
        made = {"step": step}
        if rate is not None:
            made["time"] = step / rate
        if task["kind"] in ("classify", "tag"):
            chances = _softmax(output)
            best = max(range(len(chances)), key=chances.__getitem__)
            made["label"], made["probability"] = self.outputs[best], chances[best]
            made["probabilities"] = dict(zip(self.outputs, chances))
        else:
            scaling = self._interface["target_scaling"]
            values = [y * s + o for y, s, o in zip(output, scaling["scale"], scaling["offset"])]
            made["values"] = dict(zip(self.outputs, values))
        late = 0 if self.window else self._interface.get("look_ahead", 0)
        if task["kind"] in ("forecast", "anomaly"):
            made["for_step"] = step + task["horizon"]
        elif late:
            made["for_step"] = step - late
        made.update(judged)
        return made


def as_json(made):
    """A prediction as one line for machines."""
    rounded = {name: _ROUNDED.get(name, _same)(value) for name, value in made.items()}
    return json.dumps(rounded, ensure_ascii=False)


def as_text(made):
    """A prediction as one line for people."""
    parts = ["step %d" % made["step"]]
    if "time" in made:
        parts.append("%.3f s" % made["time"])
    if "label" in made:
        parts.append("%s %.1f %%" % (made["label"], 100 * made["probability"]))
    if "for_step" in made:
        parts.append("for step %d" % made["for_step"])
    parts += ["%s %.6g" % item for item in made.get("values", {}).items()]
    if "score" in made:
        parts.append("score %.4g" % made["score"])
    return "  ".join(parts + ["ANOMALY"] * bool(made.get("anomaly")))


def _softmax(logits):
    top = max(logits)
    powers = [math.exp(logit - top) for logit in logits]
    total = math.fsum(powers)
    return [power / total for power in powers]


def _significant(value):
    return float("%.9g" % value)


def _same(value):
    return value


_ROUNDED = {
    "time": _significant,
    "probability": lambda p: round(p, 6),
    "probabilities": lambda by_name: {name: round(p, 6) for name, p in by_name.items()},
    "values": lambda by_name: {name: _significant(value) for name, value in by_name.items()},
    "score": _significant,
}


def _architectures():
    """Whose libraries run in this process, the best first."""
    machine, wide = platform.machine().lower(), struct.calcsize("P") == 8
    if machine in ("x86_64", "amd64"):
        return ["x86_64"] if wide else []
    if machine in ("aarch64", "arm64", "armv8l"):
        return ["aarch64"] if wide and machine != "armv8l" else ["armv7l", "armv6l"]
    if machine.startswith("armv7"):
        return ["armv7l", "armv6l"] if "neon" in _cpuinfo() else ["armv6l"]
    return ["armv6l"] if machine.startswith("armv6") else []


def _cpuinfo():
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def _read_json(file):
    try:
        return json.loads(file.read_bytes().decode())
    except (OSError, ValueError) as error:
        raise ShimError("%s: cannot be read: %s; deploy the bundle again" % (file, error)) from None


def _header_of(file):
    """The JSON in the header of a ``.safetensors`` model file."""
    with file.open("rb") as model:
        (length,) = struct.unpack("<Q", model.read(8))
        return json.loads(json.loads(model.read(length).decode())["__metadata__"]["edge-lstm"])


def _columns(line, channels):
    """Where the channels stand in a line: by their names if it is a header, else None."""
    fields = _fields(line)
    return [fields.index(name) for name in channels] if set(channels) <= set(fields) else None


def _fields(line):
    for separator in "\t;|,":
        if separator in line:
            return [field.strip().strip('"') for field in line.split(separator)]
    return line.split()


def _write_whole(file, content):
    beside = file + ".new"
    with open(beside, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(beside, file)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Samples from stdin, predictions to stdout, one a line.")
    parser.add_argument("--json", action="store_true", help="predictions as JSON")
    parser.add_argument("--every-step", action="store_true", help="also predict inside a window")
    parser.add_argument("--state", help="go on from this file, and write it at the end")
    asked = parser.parse_args(arguments)
    try:
        _stream(Stream(every_step=asked.every_step), asked)
    except ShimError as error:
        _end(str(error))
    except OSError as error:
        _end("%s: %s" % (error.filename, error.strerror))
    except KeyboardInterrupt:
        sys.exit(130)


def _end(message):
    print("edge_lstm_shim: error: %s" % message, file=sys.stderr)
    sys.exit(2)


def _stream(stream, asked):
    if asked.state and os.path.exists(asked.state):
        with open(asked.state, "rb") as handle:
            stream.load(handle.read())
    columns = None
    try:
        for number, line in enumerate(sys.stdin, 1):
            if not line.strip():
                continue
            named = _columns(line, stream.channels)
            if named is not None:
                columns = named
                continue
            try:
                values = [float(field) for field in _fields(line)]
                sample = values if columns is None else [values[k] for k in columns]
            except (ValueError, IndexError):
                raise ShimError("line %d: is no sample of %s" % (number, ", ".join(stream.channels))) from None
            made = stream.push(sample)
            if made:
                print((as_json if asked.json else as_text)(made), flush=True)
    finally:
        if asked.state:
            _write_whole(asked.state, stream.save())


if __name__ == "__main__":
    main()
