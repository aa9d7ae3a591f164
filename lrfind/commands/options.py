"""The arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML config.", show_default=False)]
Device = Annotated[str | None, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps, ...")]
Seed = Annotated[str | None, typer.Option(metavar="N", help="Seed of the weights and the batch order.")]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the result and errors.")]
RecordFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write record and plot to this folder.", show_default=False)
]
PictureFolder = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the picture.")]
Module = Annotated[
    str | None, typer.Option("--module", "-m", metavar="MODULE", help="Run this module, as python -m does.")
]
OptimizerChoice = Annotated[
    str | None, typer.Option(metavar="NAME|N", help="Of several optimizers of a script, the one to sweep.")
]
LossChoice = Annotated[str | None, typer.Option(metavar="NAME", help="Of several losses of a script, the one to read.")]
