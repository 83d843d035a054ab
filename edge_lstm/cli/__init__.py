"""The command line: parse, call the library, print. A command's module is imported when the command is asked for."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from edge_lstm.errors import EdgeLstmError

COMMANDS = (
    "init",
    "fit",
    "train",
    "import",
    "evaluate",
    "export",
    "verify",
    "size",
    "sign",
    "deploy",
    "fleet",
    "stream",
    "doctor",
)
"""In the order of the work. Each is the function of its own name in ``edge_lstm.cli.<name>``; see ``load``."""

INTERRUPTED = 130
BROKEN_PIPE = 141
"""What a shell reports for a program that SIGINT or SIGPIPE ended."""


def load(name: str) -> click.Command:
    """The command of a name. Where that is a word of Python, an underscore follows it in the code."""
    own = f"{name}_" if iskeyword(name) else name
    command: click.Command = getattr(import_module(f"edge_lstm.cli.{own}"), own)
    return command


class LazyGroup(click.Group):
    """Commands loaded by name; errors of the library become one line and their exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        return load(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EdgeLstmError as error:
            _print_error(str(error))
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            _silence_stdout()
            ctx.exit(BROKEN_PIPE)
        except OSError as error:  # a full disk, a path too long: the computer's, not a defect of ours
            _silence_stdout()
            where = "" if error.filename is None else f"{error.filename}: "
            _print_error(f"{where}{error.strerror or error}; check the path, its permissions and the space there")
            ctx.exit(EdgeLstmError.exit_code)


def _print_error(message: str) -> None:
    """One line whatever names and bytes of the user's are quoted in it."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
    click.echo(f"edge-lstm: error: {shown}", err=True)


def _silence_stdout() -> None:
    """Python flushes stdout once more on its way out; give it something that takes it."""
    with contextlib.suppress(AttributeError, io.UnsupportedOperation):  # closed, or no file at all
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        click.echo(f"edge-lstm {version('edge-lstm')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def cli() -> None:
    """Recordings in, a verified int8 LSTM out, a live stream on small devices.

    \b
    edge-lstm init gestures && cd gestures
    edge-lstm train
    edge-lstm export --int8
    edge-lstm stream build/gestures < data/circle/00.csv
    """  # noqa: D301 - click takes the backspace itself as "do not wrap this paragraph"


def main() -> None:
    """The console script."""
    cli(prog_name="edge-lstm")
