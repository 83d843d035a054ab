"""``edge-lstm doctor``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from edge_lstm.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_lstm.doctor import Finding


@click.command()
@options.as_json
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """What is installed here, what is broken, and what to do.

    For a workstation as for a board. What is missing is optional; the exit code is 1 if something is broken: installed
    and not working, or missing and needed by everything.
    """
    from edge_lstm.doctor import examine

    findings = examine()
    sound = all(finding.status != "broken" for finding in findings)
    if as_json:
        options.print_json({"ok": sound, "findings": [asdict(finding) for finding in findings]})
    else:
        click.echo(_lines(findings))
    context.exit(0 if sound else 1)


def _lines(findings: Sequence[Finding]) -> str:
    """A line a finding, a blank one between groups, and how many there are of each status."""
    width = max(len(finding.name) for finding in findings)
    lines: list[str] = []
    for before, finding in zip((None, *findings), findings, strict=False):
        if before and before.group != finding.group:
            lines.append("")
        said = "; ".join(part for part in (finding.found, finding.advice) if part)
        lines.append(f"{finding.status:<7}  {finding.name:<{width}}  {said}")
    counts = {status: sum(finding.status == status for finding in findings) for status in ("ok", "missing", "broken")}
    return "\n".join([*lines, "", ", ".join(f"{count} {status}" for status, count in counts.items())])
