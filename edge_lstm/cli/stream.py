"""``edge-lstm stream``."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_lstm.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_lstm.runtimes.choice import Choice
    from edge_lstm.streaming.lines import Reading
    from edge_lstm.streaming.live import LiveStream
    from edge_lstm.streaming.sinks import Sink

_DEFAULTS = {
    "backend": "auto",
    "format": "text",
    "missing": None,
    "range": "clamp",
    "range_factor": 1.0,
    "malformed": "refuse",
    "reset": "never",
    "queue": 64,
    "when_full": None,
}
"""Of [stream], for a bundle without its project; the project file's own class would load what a board need not have."""


@click.command()
@options.bundle
@options.project
@click.option("--backend", help="auto, reference, c, tflite-runtime, litert, tflm or edgetpu.  [default: auto]")
@click.option("--arithmetic", help="native, tflite, tflm, step or float.  [default: the back end's own]")
@click.option("--target", help="Run on a board: its serial port, or socket://HOST:PORT.  [default: here]")
@click.option("--every-step", is_flag=True, help="Predict at every step, also inside a window.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), help="Of the lines printed.  [default: text]")
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@options.require_signature
@click.option("--from", "source", metavar="URL", default="-", show_default=True, help="Where samples come from.")
@click.option("--to", "sink", metavar="URL", default="-", show_default=True, help="Where predictions go.")
@click.option("--missing", help="refuse, hold or skip a missing value.  [default: hold if training held, else refuse]")
@click.option("--range", "range_", help="clamp or refuse a value beyond the calibrated range.  [default: clamp]")
@click.option("--range-factor", type=float, help="Half calibrated ranges from the middle.  [default: 1]")
@click.option("--malformed", help="refuse or skip a line that is no sample.  [default: refuse]")
@click.option("--reset", help="never, 'gap > MS' by the samples' times, or 'every N' steps.  [default: never]")
@click.option("--queue", type=int, help="Samples that may wait where the oldest gives way.  [default: 64]")
@click.option("--when-full", help="block or drop-oldest.  [default: drop-oldest for sensors, else block]")
@click.option("--state", type=options.PATH, help="Keep the stream's state in this file, and go on from it.")
@click.option("--state-every", default="60s", show_default=True, help="Write it every '1000' (steps) or '60s'.")
@click.option("-v", "--verbose", is_flag=True, help="Say which back end runs, and why none before it.")
@click.option("--monitor", "monitors", metavar="ADDRESS", multiple=True, help="Watch the stream; may be repeated.")
@click.option("--monitor-every", default="10s", show_default=True, help="Report every '1000' (steps) or '10s'.")
@click.option(
    "--deadline", type=float, metavar="MS", help="Longest latency.  [default: the model's period, if it has one]"
)
@click.pass_context
def stream(
    ctx: click.Context,
    /,
    bundle: Path | None,
    project_path: Path,
    backend: str | None,
    arithmetic: str | None,
    target: str | None,
    every_step: bool,
    form: str | None,
    source: str,
    sink: str,
    state: Path | None,
    state_every: str,
    public_key: Path | None,
    verbose: bool,
    monitors: tuple[str, ...],
    monitor_every: str,
    deadline: float | None,
    **policies: Any,
) -> None:
    """Samples from stdin, predictions to stdout, one a line.

    With --target, a board that runs the firmware of the bundle's folder c does the work; samples and predictions are
    the same.

    BUNDLE is the project's own when it is left out; [stream] of the project file then gives the back end, the format
    and what to do with missing values, values out of range, gaps and full queues.

    Samples are in physical units, their columns separated by comma, semicolon, tab, bar or blanks. If the first
    line is a header, columns are found by the names of the model's channels and others (such as timestamp) are
    ignored; without one, a line holds the channels in their order and nothing else. A missing value and the decimal
    sign are those of the training data.

    \b
    --from  -  file:PATH  serial:PORT[?baud=115200]  tcp://HOST:PORT  tcp-listen://[HOST]:PORT
            udp://[HOST]:PORT  iio:FOLDER[?rate=10]  mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC
    --to    -  file:PATH  tcp://HOST:PORT  mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC
    TLS     mqtts://[USER@]HOST[:PORT]/TOPIC[?ca=FILE&cert=FILE&key=FILE]

    A broker's password is better given by EDGE_LSTM_MQTT_PASSWORD: addresses are seen by every user of the computer.

    \b
    --monitor  -  term  jsonl:FILE  mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC
               prometheus:FILE  prometheus://[HOST]:PORT

    What happened besides predictions is counted and said once at the end, on stderr. A monitor tells while it runs:
    latencies, missed deadlines, saturation, and channels whose values have left the training data; - is JSON lines
    on stderr.
    """  # noqa: D301 - click takes the backspace itself as "do not wrap this paragraph"
    from edge_lstm.bundle import Bundle
    from edge_lstm.cli.stopping import TERMINATED, Stopped, Stopping
    from edge_lstm.errors import InputError, ProjectError
    from edge_lstm.signing import require_signature
    from edge_lstm.streaming import LoadedModel, Stream
    from edge_lstm.streaming.facts import Facts
    from edge_lstm.streaming.live import LiveStream
    from edge_lstm.streaming.notify import Notifier
    from edge_lstm.streaming.sinks import open_sink

    if sys.stdin is None or sys.stdout is None:
        raise InputError("stdin or stdout is closed; samples come in by one and predictions leave by the other")
    if target is not None and (backend or arithmetic):
        raise ProjectError("a board runs the firmware it has; leave out --backend and --arithmetic with --target")
    policies["range"] = policies.pop("range_")
    asked = {"backend": backend, "format": form, **policies}
    bundle, given = (bundle, _DEFAULTS) if bundle is not None else _of_project(project_path)
    chosen = given | {key: value for key, value in asked.items() if value is not None}
    as_json = chosen["format"] == "json"
    if public_key is not None:
        require_signature(bundle, public_key)
    opened = Bundle.open(bundle)
    facts = Facts.from_manifest(opened.manifest)
    setup = _setup(chosen, facts, source, state, state_every)
    if target is None:
        model = LoadedModel.open(opened, chosen["backend"], arithmetic)
    else:
        model = LoadedModel.on_board(opened, target)
    _say_choice(model.choice, as_json, verbose)
    live = LiveStream(Stream(model, every_step=every_step), facts, setup)
    try:
        with (
            Stopping() as stopping,
            Notifier.asked(lambda: f"{live.counts.samples} samples taken") as notifier,
            _watched(live, opened, monitors, monitor_every, deadline),
        ):
            out = open_sink(sink)
            try:
                notifier.ready()
                _run(live, notifier.watched(iter(live.readings())), out, as_json, stopping)
            finally:
                out.close()
    except Stopped as stopped:
        if stopped.signal_number == signal.SIGTERM:
            ctx.exit(TERMINATED)
        raise KeyboardInterrupt from stopped
    finally:
        live.close()
        _say(live, as_json, plain=source == "-" and state is None and not any(policies.values()))


def _of_project(path: Path) -> tuple[Path, dict[str, Any]]:
    """The bundle of a project, and its table [stream]."""
    from edge_lstm.project import load_project

    project = load_project(path)
    return project.bundle_folder, dict(vars(project.stream))


def _setup(chosen: dict[str, Any], facts: Any, source: str, state: Path | None, state_every: str) -> Any:
    from edge_lstm.streaming.gaps import ResetRule
    from edge_lstm.streaming.live import Queueing, Setup
    from edge_lstm.streaming.policy import Policy
    from edge_lstm.streaming.saving import Pace

    rules = {key: chosen[key] for key in ("missing", "range", "range_factor", "malformed")}
    return Setup(
        source,
        Policy.asked(facts, **rules),
        ResetRule.parse(chosen["reset"]),
        Queueing(chosen["queue"], chosen["when_full"]),
        state,
        Pace.parse(state_every),
    )


def _run(live: LiveStream, readings: Iterator[Reading], out: Sink, as_json: bool, stopping: Any) -> None:
    """Take samples until the source ends; the state is written whatever ends it."""
    try:
        while True:
            with stopping.waiting():
                reading = next(readings, None)
            if reading is None:
                return
            made = live.take(reading)
            if made is not None:
                line = json.dumps(made.to_json(), ensure_ascii=False) if as_json else made.to_text()
                with stopping.waiting():
                    out.write(line)
            live.remember()
    finally:
        live.save()


def _say_choice(choice: Choice | None, as_json: bool, verbose: bool) -> None:
    """Which back end runs: to whoever asks or watches, and to everybody what they would not expect."""
    if choice is None:
        return
    watched = choice.automatic and sys.stderr is not None and sys.stderr.isatty()
    if verbose or watched or choice.slow or choice.caution or choice.instead:
        click.echo(json.dumps({"backend": choice.to_json()}) if as_json else f"stream: {choice.to_text()}", err=True)


def _say(live: LiveStream, as_json: bool, plain: bool) -> None:
    """What happened besides predictions."""
    if not live.counts.eventful(plain):
        return
    click.echo(
        json.dumps({"counts": live.counts.to_json()}) if as_json else f"stream: {live.counts.to_text()}", err=True
    )


def _watched(live: LiveStream, bundle: Any, addresses: tuple[str, ...], every: str, deadline: float | None) -> Any:
    """The block in which the stream is watched, if it is to be: a board that does not watch need not load what does."""
    from edge_lstm.errors import ProjectError

    if addresses:
        from edge_lstm.monitor import watched

        return watched(live, bundle, addresses, every, deadline, _complain)
    if deadline is not None:
        raise ProjectError("--deadline is watched by a monitor; add --monitor, such as --monitor term")
    return contextlib.nullcontext()


def _complain(words: str) -> None:
    """What a monitor cannot do."""
    click.echo(f"monitor: {words}", err=True)
