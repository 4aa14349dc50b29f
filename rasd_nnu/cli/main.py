"""Entry point of the ``rasd_nnu`` command."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any, NoReturn

import typer
import typer.core
import typer.main

from rasd_nnu import __version__
from rasd_nnu.errors import UserError
from rasd_nnu.files import explained

# Name -> (module, one-line help). A module is imported only when its command runs, so that
# `rasd_nnu --help` stays fast. Each module offers either a typer application `app` or a function `command`.
COMMANDS = {
    "demo": ("demo", "The whole way on a small data set, minutes on a CPU."),
    "preview": ("preview", "A sheet of synthetic samples, or the samples as NIfTI."),
    "pretrain": ("pretrain", "Pre-train a network on synthetic images."),
    "convert": ("convert", "Fit a checkpoint to a plan, for nnU-Net's -pretrained_weights."),
    "plan": ("plan", "Plans with the network and patch of a checkpoint."),
    "export": ("export", "A fine-tuned model for machines without this package."),
    "synthesize": ("synthesize", "Write synthetic samples to disk, to pre-train on again and again."),
    "inspect": ("inspect", "What a checkpoint contains, and whether it fits a plan."),
    "push": ("push", "Publish a checkpoint with a model card."),
    "tasks": ("tasks", "The dataset specs: list, show, prepare."),
    "arms": ("arms", "Other people's weights as arms: add, list, remove."),
    "finetune": ("finetune", "Train one arm: nnU-Net, or a classifier."),
    "predict": ("predict", "Classify a folder of images (segmentation: nnUNetv2_predict)."),
    "choose": ("choose", "Which arm for this data set, by inner folds within a time budget."),
    "compare": ("compare", "Paired comparison of two arms, with intervals and p-values."),
    "report": ("report", "The comparison as one HTML page, with plots and pictures."),
    "features": ("features", "Dense features of images: pictures, how they separate, NIfTI."),
    "register": ("register", "One volume onto another, on features of a network."),
    "study": ("study", "Many trainings from one YAML, on one machine or a cluster."),
    "env": ("env", "Print the export lines that nnU-Net needs to find the trainers."),
    "doctor": ("doctor", "Say what is wrong with the set-up and how to fix it."),
}


class LazyGroup(typer.core.TyperGroup):
    """Group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the sub-commands in the order of `COMMANDS`."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of sub-commands from `COMMANDS`, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return the sub-command."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        loaded = importlib.import_module(f"rasd_nnu.cli.{module}")
        if hasattr(loaded, "app"):
            command = typer.main.get_command(loaded.app)
        else:
            single = typer.Typer(add_completion=False)
            single.command(cmd_name)(loaded.command)
            command = typer.main.get_command(single)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyGroup,
    name="rasd_nnu",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich takes longer than all the rest of --help
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
    """Run the command; a `UserError`, or a refusal of the operating system, is one line on stderr and exit code 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a character shows a question mark
    try:
        app(args=argv)
    except UserError as error:
        _refuse(error)
    except OSError as error:
        _refuse(explained(error))


def _refuse(error: UserError) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
