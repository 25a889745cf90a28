"""The commands, put together."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import twopass
from twopass.cli.datasets import datasets
from twopass.cli.evaluate import evaluate
from twopass.cli.export import export
from twopass.cli.predict import predict
from twopass.cli.techniques import techniques
from twopass.cli.train import train

__all__ = ["UsageError", "app"]

#: What typer raises when options are wrong; it exports only this subclass of it.
UsageError: Any = typer.BadParameter.__mro__[1]

app = typer.Typer(
    help="Train neural networks on tables and images, and use them.",
    epilog="Start with: twopass train",
    invoke_without_command=True,
    pretty_exceptions_enable=False,  # what is not the user's mistake is ours, and needs its traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (train, predict, evaluate, export, datasets, techniques):
    app.command()(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"twopass {twopass.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that come before a command; show the help when there is none."""
    if context.invoked_subcommand is None:
        print(context.get_help())
