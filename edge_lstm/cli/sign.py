"""``edge-lstm sign``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_lstm.cli import options


@click.command()
@options.bundle
@options.project
@click.option("--key", type=options.PATH, help="Private key to sign with.")
@click.option("--version", type=int, help="Of this release, from 1; boards refuse a lower one than they had.")
@click.option("--new-key", type=options.PATH, help="Make a key pair instead: this file, and *.pub beside it.")
@options.as_json
def sign(
    bundle: Path | None,
    project_path: Path,
    key: Path | None,
    version: int | None,
    new_key: Path | None,
    as_json: bool,
) -> None:
    """Sign a bundle, so that a board can tell yours from any other.

    \b
    edge-lstm sign --new-key release.pem             once; release.pem is the secret
    edge-lstm sign build/gestures --key release.pem --version 1
    edge-lstm stream build/gestures --require-signature release.pub

    The signature (Ed25519) is manifest.sig in the bundle. BUNDLE is the project's own when it is left out. To bring an
    older bundle back, sign it again with a higher version.
    """  # noqa: D301 - click takes the backspace itself as "do not wrap this paragraph"
    from edge_lstm import signing
    from edge_lstm.errors import ProjectError

    if new_key is not None:
        if bundle or key or version is not None:
            raise ProjectError("--new-key makes keys and signs nothing; leave out BUNDLE, --key and --version")
        _told(as_json, "keys", {"private": str(new_key), "public": str(signing.new_key(new_key))})
    elif key is None or version is None:
        raise ProjectError("to sign, give --key FILE and --version N; --new-key FILE makes a key")
    else:
        from edge_lstm.project import load_project

        folder = bundle or load_project(project_path).bundle_folder
        made = signing.sign(folder, key, version)
        _told(as_json, "signed", {"bundle": str(folder), "key": made.key, "version": made.version})


def _told(as_json: bool, what: str, values: dict[str, str | int]) -> None:
    if as_json:
        options.print_json(values)
    else:
        click.echo(f"{what}: " + ", ".join(f"{name} {value}" for name, value in values.items()))
