from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
from command import pixsearch

from pixsearch import __version__
from pixsearch.cli.main import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name: str) -> None:
    """Two or more, which break at 80 columns only where a shell lets them."""
    told = pixsearch(name, "--help", COLUMNS="80")
    assert told.code == 0
    examples = told.out.partition("Examples:")[2].partition("╭")[0]
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert sum(line.startswith(f"pixsearch {name} ") for line in lines) >= 2
    for before, line in itertools.pairwise(lines):
        assert line.startswith(("pixsearch ", "torchrun ")) or before.endswith("\\") or line.endswith(":"), f"`{line}` is a broken line"


def test_the_version_is_the_package_s() -> None:
    assert pixsearch("--version").out.strip() == f"pixsearch {__version__}"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pixsearch.cli.main import run\n"
        "assert run(['--help']) == 0 and run(['search', '--help']) == 0\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'onnxscript', 'pymoo', 'cv2', 'plotly', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_argument_shows_the_help() -> None:
    told = pixsearch()
    assert "search" in told.out + told.err
    assert told.code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_the_subcommands(shell: str) -> None:
    told = pixsearch(
        _PIXSEARCH_COMPLETE=f"complete_{shell}",
        COMP_WORDS="pixsearch se",
        COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS="pixsearch se",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    assert "search" in told.out
