"""The command `pixsearch`: its subcommands and the one place where errors become messages and exit codes."""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from typing import Annotated

import typer

from pixsearch import __version__
from pixsearch.errors import PixsearchError
from pixsearch.train.ranks import speaks

EXIT_CODES = (
    "0 fine",
    "1 bug",
    "2 usage or settings",
    "3 data",
    "4 nothing feasible",
    "5 quality gate",
    "6 environment",
    "130 interrupted",
)
COMMANDS = ("search", "train", "prune", "export", "bench", "report", "run", "apply", "doctor", "target")

app = typer.Typer(
    name="pixsearch",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: " + " · ".join(EXIT_CODES),
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"pixsearch {__version__}")
        raise typer.Exit


@app.callback()
def pixsearch(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """From a folder of photos to a phone-ready pixel model with its accuracy and latency measured.

    One command does it all: [bold]pixsearch run PHOTOS[/bold]. Or stage by stage, each taking the files of the one before:
    search → train → prune → export → bench → report.
    """


for _name in COMMANDS:
    import_module(f"pixsearch.cli.{_name}").add_to(app)


def main() -> None:
    """Entry point of the console script; never returns without an exit code."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads on busy cores cost up to ten times
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code; messages go to stderr, with `--json` also as a document on stdout."""
    command = typer.main.get_command(app)
    try:
        code = command.main(args=arguments, prog_name="pixsearch", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except PixsearchError as error:
        return error.exit_code if error.told else _fail(str(error), error.exit_code, arguments)
    except KeyboardInterrupt:
        return _fail("Aborted; the last saved step can be resumed.", 130, arguments)
    except MemoryError:
        return _fail("The machine ran out of memory. Lower `--batch` or `--patch`, or give fewer photos.", 6, arguments)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "show"):  # click's own usage errors
            return _usage(error, arguments)
        traceback.print_exc()
        return _fail(f"This is a bug in pixsearch ({type(error).__name__}: {error}). Please report it with the lines above.", 1, arguments)


def _usage(error: Exception, arguments: list[str]) -> int:
    if "--json" in arguments:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        return _fail(message, 2, arguments)
    error.show()  # type: ignore[attr-defined]
    return 2


def _fail(message: str, code: int, arguments: list[str]) -> int:
    print(f"pixsearch: {message}", file=sys.stderr)
    if "--json" in arguments and speaks():
        print(json.dumps({"error": message, "exit_code": code}))
    return code
