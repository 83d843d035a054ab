"""Documents cannot drift from the code."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

from edge_lstm.cli import COMMANDS
from edge_lstm.project import parse_project

ROOT = Path(__file__).parent.parent


def test_the_reference_is_what_the_code_says() -> None:
    """Commands, project file, back ends, observers and rules: run `python docs/make_reference.py` after a change."""
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert maker.REFERENCE.read_text() == maker.reference()


def test_the_readme_shows_every_command() -> None:
    """A reader meets each of them."""
    readme = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"edge-lstm {name}" not in readme] == []


def test_every_project_file_in_the_readme_is_one() -> None:
    """What a reader copies is accepted."""
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        parse_project(tomllib.loads(block), ROOT / "edge-lstm.toml")


def test_links_between_documents_lead_somewhere() -> None:
    """Relative links of every Markdown file name a file that is there."""
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_figure_of_the_readme_names_its_script() -> None:
    """A section with a table of figures says which script in bench/ prints it, and the script exists."""
    readme = (ROOT / "README.md").read_text()
    scripts = set(re.findall(r"`(bench/\w+\.py)`", readme))
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)
