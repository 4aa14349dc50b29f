"""Entry point of the ``rasd_nnu`` command."""

from __future__ import annotations

import importlib
import sys

import click
import typer
import typer.core
import typer.main

from rasd_nnu import __version__
from rasd_nnu.errors import UserError

# Name -> (module, one-line help). A module is imported only when its command runs, so that
# `rasd_nnu --help` stays fast. Each module offers either a typer application `app` or a function `command`.
COMMANDS = {
    "demo": ("demo", "The whole way on a small data set, minutes on a CPU."),
    "preview": ("preview", "A sheet of synthetic samples, or the samples as NIfTI."),
    "pretrain": ("pretrain", "Pre-train a network on synthetic images."),
    "tasks": ("tasks", "The dataset specs: list, show, prepare."),
    "compare": ("compare", "Paired comparison of two arms, with intervals and p-values."),
    "env": ("env", "Print the export lines that nnU-Net needs to find the trainers."),
    "doctor": ("doctor", "Say what is wrong with the set-up and how to mend it."),
}


class LazyGroup(typer.core.TyperGroup):
    """Group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the sub-commands in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return the sub-command `name`, or a stub with its help while listing."""
        if name not in COMMANDS:
            return None
        module, help_text = COMMANDS[name]
        if ctx.resilient_parsing or (ctx.invoked_subcommand is None and "--help" in sys.argv[1:2]):
            return click.Command(name, help=help_text, short_help=help_text)
        loaded = importlib.import_module(f"rasd_nnu.cli.{module}")
        if hasattr(loaded, "app"):
            command: click.Command = typer.main.get_command(loaded.app)
        else:
            single = typer.Typer(add_completion=False)
            single.command(name)(loaded.command)
            command = typer.main.get_command(single)
        command.name = name
        return command


app = typer.Typer(
    cls=LazyGroup,
    name="rasd_nnu",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Synthetic pre-training for the network that nnU-Net planned, and whether it helped.",
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"rasd_nnu {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
    ),
) -> None:
    """Synthetic pre-training for the network that nnU-Net planned, and whether it helped."""


def main(argv: list[str] | None = None) -> None:
    """Run the command; a `UserError` becomes one line on stderr and exit code 2."""
    try:
        app(args=argv)
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
