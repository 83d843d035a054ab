"""The command line: quick to answer, one line an error, exit codes that mean something."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_lstm.cli import COMMANDS, cli
from edge_lstm.starter import start_project

HERE = Path(__file__).parent
PROJECTS, BUNDLES = sorted((HERE / "broken" / "project").iterdir()), sorted((HERE / "broken" / "bundle").iterdir())


def edge_lstm(*arguments, **options):
    """The command line in a process of its own."""
    command = [sys.executable, "-c", "from edge_lstm.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def run(*arguments):
    """The command line in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def refused(result, exit_code=2):
    """The one line on stderr of a command that was refused."""
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("edge-lstm: error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_help_imports_no_numbers():
    """--help of the program and of every command answers without numpy, let alone TensorFlow."""
    script = (
        "import sys\n"
        "from edge_lstm.cli import COMMANDS, cli\n"
        "for words in ([], *([name] for name in COMMANDS)):\n"
        "    cli([*words, '--help'], standalone_mode=False)\n"
        "print(sorted({'numpy', 'tensorflow', 'safetensors', 'rich'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_takes_less_than_a_third_of_a_second():
    """Processor time, which other work on the machine does not stretch as it does the clock."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert edge_lstm("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


def test_help_names_every_command():
    """The commands in the order of the work, each with a sentence."""
    text = run("--help").output.split("Commands:")[1]
    places = [text.index(f"  {name} ") for name in COMMANDS]
    assert places == sorted(places)
    assert all("..." not in line for line in text.splitlines())


def test_the_version_is_the_installed_one():
    """edge-lstm --version."""
    from importlib.metadata import version

    assert run("--version").output == f"edge-lstm {version('edge-lstm')}\n"


@pytest.mark.parametrize("words", [["trian"], ["train", "--epoch", "3"], ["evaluate", "--split", "all"], ["init"]])
def test_usage_errors_exit_with_2(words):
    """An unknown command, option or choice, or a missing argument."""
    assert run(*words).exit_code == 2


@pytest.mark.parametrize("file", PROJECTS, ids=lambda path: path.stem)
def test_a_broken_project_is_one_line_and_exit_code_2(file, tmp_path, monkeypatch):
    """No traceback, nothing on stdout, nothing written."""
    monkeypatch.chdir(tmp_path)
    before = sorted(file.parent.iterdir())
    for words in (["train"], ["evaluate"], ["export", "-o", tmp_path / "out"]):
        refused(run(*words, "--project", file))
    assert list(tmp_path.iterdir()) == []
    assert sorted(file.parent.iterdir()) == before


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda path: path.name)
def test_a_broken_bundle_is_one_line_and_exit_code_2(folder):
    """Verify and stream refuse it alike, before anything is printed."""
    # The file that is no model is whole by its manifest: only running it can tell.
    for command in ("stream",) if folder.name == "not_a_model" else ("verify", "stream"):
        assert str(folder) in refused(run(command, folder))


@pytest.mark.parametrize("path", ["two\nlines", "bell\a", "n" * 5000])
def test_whatever_a_path_holds_the_error_is_one_line(path):
    """Control characters are printed as escapes; what the system refuses is no traceback."""
    assert "edge-lstm: error: " in refused(run("evaluate", "--project", path))


def test_a_bundle_that_lists_no_files_is_one_line(own_bundle, tmp_path):
    """Evaluate has nothing to judge and says so."""
    start_project(tmp_path / "p")
    manifest = json.loads((own_bundle / "manifest.json").read_text())
    (own_bundle / "manifest.json").write_text(json.dumps(manifest | {"files": {}}))
    assert "holds no model" in refused(run("evaluate", "--project", tmp_path / "p", "-m", own_bundle, "-q"))


def test_a_command_without_a_project_says_how_to_start_one(tmp_path, monkeypatch):
    """In an empty folder every command points to init."""
    monkeypatch.chdir(tmp_path)
    for command in ("train", "evaluate", "export", "verify", "stream"):
        assert "edge-lstm init DIR" in refused(run(command))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_exit_code_3(tmp_path):
    """Without TensorFlow, train names the extra to install and writes nothing."""
    start_project(tmp_path / "p")
    script = "import sys; sys.modules['tensorflow'] = None; from edge_lstm.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "train", "-q"], cwd=tmp_path / "p", capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "pip install 'edge-lstm[train]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["data", "edge-lstm.toml"]


def test_an_unexpected_error_keeps_its_traceback(tmp_path):
    """A defect of ours is not dressed up as one of the user's."""
    script = (
        "import edge_lstm.project\n"
        "edge_lstm.project.load_project = lambda path: 1 / 0\n"
        "from edge_lstm.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "evaluate"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_init_tells_what_it_wrote_and_what_comes_next(tmp_path):
    """As text and as JSON."""
    assert "edge-lstm train" in run("init", tmp_path / "a").output
    files = json.loads(run("init", tmp_path / "b", "--json").output)["files"]
    assert sorted(p.relative_to(tmp_path / "b").as_posix() for p in (tmp_path / "b").rglob("*.*")) == files


def test_init_refuses_a_folder_that_holds_something(tmp_path):
    """The user's files stay as they are."""
    (tmp_path / "mine.txt").write_text("mine")
    assert "is not an empty folder" in refused(run("init", tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
