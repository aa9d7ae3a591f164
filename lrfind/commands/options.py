"""The arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrfind.commands import completion

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
Training = Annotated[
    str | None,
    typer.Argument(
        metavar="TRAIN.py|CONFIG",
        help="A training script, or a YAML config.",
        show_default=False,
        autocompletion=completion.trainings,
    ),
]
TrainingArgs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[-- ARGS]|KEY=VALUE",
        help="Arguments of the script, or overrides: optimizer.momentum=0.95.",
        autocompletion=completion.overrides,
    ),
]
NumIter = Annotated[str | None, typer.Option(metavar="N", help="Steps of the sweep.")]
StartLR = Annotated[str | None, typer.Option(metavar="LR", help="First learning rate.")]
EndLR = Annotated[str | None, typer.Option(metavar="LR", help="Last learning rate.")]
Refine = Annotated[bool, typer.Option("--refine", help="Check the LR with more and longer trainings.")]
Budget = Annotated[str | None, typer.Option(metavar="N", help="Updates of sweep and probes at most.")]
MaxTime = Annotated[str | None, typer.Option(metavar="S", help="Seconds after which no probe begins.")]
ConfigName = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of a Hydra project, the config in the folder CONFIG.")
]
TrainSteps = Annotated[str | None, typer.Option(metavar="N", help="Updates of the real training.")]
Epochs = Annotated[str | None, typer.Option(metavar="N", help="Epochs of the real training, instead.")]
ScheduleName = Annotated[
    str | None, typer.Option(metavar="NAME", help="What the LR is for: constant, cosine, linear, onecycle.")
]
Mark = Annotated[
    float | None,
    typer.Option(metavar="LR", min=0, help="Draw this LR of yours beside the suggestion.", show_default=False),
]
CwdCopy = Annotated[bool, typer.Option("--cwd-copy", help="Run each training of a script in a copy of this folder.")]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a report as one HTML file, to look at and to mail.", show_default=False),
]
Log = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        "--log-to",  # torchrun takes the other for an abbreviation of its --log-dir and --logs-specs, and refuses it
        metavar="TO",
        help="Log to tensorboard:DIR, wandb:PROJECT or mlflow:URI.",
        show_default=False,
    ),
]
