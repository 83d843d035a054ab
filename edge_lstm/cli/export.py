"""``edge-lstm export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge_lstm.cli import options


@click.command()
@options.project
@options.model("Float model file.  [default: build/NAME.safetensors]")
@options.output("Bundle folder to write.  [default: build/NAME]")
@click.option("--int8/--float", "int8", default=None, help="Quantise, or write the float bundle.  [default: float]")
@click.option("--scheme", help="Of the native arithmetic: w8a16 or w8a8.  [default: w8a16]")
@click.option("--observer", help="Of the ranges: min-max, percentile, mse or entropy.  [default: percentile]")
@click.option("--percentile", type=float, help="What the observer percentile keeps.  [default: 99.99]")
@click.option("--board", help="Kernels and firmware for this board, run on its emulated core.  [default: portable C]")
@click.option("--npu", metavar="NAME", help="Compile for an Ethos-U with Vela, such as ethos-u55-128; needs --int8.")
@click.option("--edgetpu", is_flag=True, default=None, help="Compile with edgetpu_compiler, unchecked; needs --int8.")
@click.option("--c-arithmetic", help="Of the C sources: native, or tflm for its bytes.  [default: native]")
@click.option(
    "--linux",
    metavar="ARCH",
    multiple=True,
    callback=lambda _context, _option, names: names or None,
    help="Library and program for Linux on x86_64, aarch64, armv7l, armv6l; or none. May be repeated.  [default: all]",
)
@options.as_json
@options.quiet
def export(
    project_path: Path, model_path: Path | None, output: Path | None, as_json: bool, quiet: bool, **asked: Any
) -> None:
    """Calibrate, quantise, write and verify a bundle: the main job."""
    from edge_lstm.cli.npu import edge_tpu_table, npu_table
    from edge_lstm.cli.table import metrics_table, quantisation_table, sizes_table
    from edge_lstm.export import export_bundle
    from edge_lstm.pipeline import prepare
    from edge_lstm.project import load_project

    project = load_project(project_path).asking(export=asked)
    prepared = prepare(project)
    options.print_notes(prepared.notes, quiet)
    exported = export_bundle(prepared, model_path or project.model_file, output or project.bundle_folder)
    options.print_notes(exported.notes, quiet)
    if as_json:
        options.print_json(exported.to_json())
        return
    checks = exported.verification["checks"]
    ran = sum("not_run" not in check for check in checks)
    click.echo(metrics_table(exported.accuracy))
    if exported.quantisation:
        click.echo(quantisation_table(exported.quantisation))
    click.echo(sizes_table(exported.sizes))
    for name, table in (("npu", npu_table), ("edgetpu", edge_tpu_table)):
        if name in exported.accelerators:
            click.echo(table(exported.accelerators[name]))
    click.echo(f"{exported.bundle}: verified by {ran} of {len(checks)} checks")
