"""The command line behind `./lab`: one module a verb."""

from __future__ import annotations

import re
import sys
from typing import Any

import typer
from typer.core import TyperCommand

from lab_utils.cli import (
    bench,
    build,
    calc,
    check,
    doctor,
    export,
    grade,
    k8s,
    lock,
    release,
    run,
    start,
    test,
)
from lab_utils.errors import LabError

HELP = """Inference Lab: how a trained model is loaded, processed and served.

Learners: ./lab start. Everything at once, headless: ./lab run. Proof that it all holds: ./lab test.
"""
VERBS = (start, run, test, doctor, check, grade, export, calc, k8s, release, bench, build, lock)
INTERRUPTED = 130


class Verb(TyperCommand):
    """A verb whose help names arguments as a person does: no Python types, no braces."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the verb."""
        return [re.sub("[{}]", "", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The arguments, then the options."""
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            name, text = parameter.get_help_record(ctx) or ("", "")
            if parameter.param_type_name == "argument":
                rows["Arguments"].append((name.partition(" <")[0], text))
            else:
                rows["Options"].append((name, text))
        for title, section in rows.items():
            if section:
                with formatter.section(title):
                    formatter.write_dl(section)


app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
for module in VERBS:
    verb = module.__name__.rsplit(".", 1)[-1]
    app.command(name=verb, cls=Verb)(getattr(module, verb))


def main() -> None:
    """Run one verb; a LabError is one sentence on standard error and exit status 1."""
    try:
        app(prog_name="./lab")
    except LabError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader, a pager for example, went away
        sys.exit(1)


if __name__ == "__main__":
    main()
