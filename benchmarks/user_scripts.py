"""What `lrfind run` makes of training scripts in the styles of many libraries.

    python benchmarks/user_scripts.py --save benchmarks/user_scripts.json [STYLE ...]

The scripts are those of tests/fixtures/scripts/users; each is run as its users would, with the defaults of lrfind.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "tests" / "fixtures" / "scripts" / "users"


@dataclass(frozen=True)
class UserScript:
    """A script as its users run it.

    Attributes:
        script: The words behind `lrfind run` that name it, and options of lrfind that it needs.
        args: Its own arguments.
        library: The package that it is written for.
        also: Other packages that it imports.
        processes: Processes of torchrun that train together; 1 means no torchrun.
    """

    script: str
    args: str = ""
    library: str = "torch"
    also: tuple[str, ...] = ()
    processes: int = 1

    def line(self, *options: str) -> list[str]:
        """Return what stands behind `lrfind`, with more options."""
        return ["run", *self.script.split(), *options, *(["--", *self.args.split()] if self.args else [])]

    @property
    def missing(self) -> bool:
        """Whether a package that it imports is not installed."""
        try:
            for package in (self.library, *self.also):
                importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return True
        return False


USER_SCRIPTS: Mapping[str, UserScript] = {
    "MNIST example": UserScript("mnist.py", "--epochs 5"),
    "ImageNet example": UserScript("imagenet.py"),
    "nanoGPT": UserScript("nanogpt.py"),
    "torchrun, DDP": UserScript("ddp.py", processes=2),
    "detection reference": UserScript("detection.py --num-iter 20 --start-lr 1e-5 --end-lr 1"),
    "GAN, two optimizers": UserScript("gan.py"),
    "two losses, two backwards": UserScript("multitask.py"),
    "EMA and SWA": UserScript("ema_swa.py"),
    "evaluation first, workers": UserScript("validates_first.py"),
    "exceptions caught": UserScript("resilient.py"),
    "notebook export": UserScript("notebook.py"),
    "package, -m": UserScript("-m packaged.train", "64"),
    "LBFGS": UserScript("lbfgs.py"),
    "timm's train.py": UserScript("timm_train.py", library="timm"),
    "run_glue.py, Trainer": UserScript(
        "run_glue.py",
        "--output_dir glue --do_train --per_device_train_batch_size 32 --num_train_epochs 4",
        library="transformers",
    ),
    "no_trainer, accumulation": UserScript("no_trainer.py", library="accelerate", also=("transformers",)),
    "Lightning script": UserScript("lit_script.py", library="lightning"),
    "LightningCLI": UserScript(
        "lit_cli.py",
        "fit --optimizer=SGD --optimizer.lr=0.1 --lr_scheduler=CosineAnnealingLR --lr_scheduler.T_max=10",
        library="lightning",
        also=("jsonargparse",),
    ),
    "Learner.fit_one_cycle": UserScript("fastai_learner.py", library="fastai"),
    "Ignite engines": UserScript("ignite_engine.py", library="pytorch-ignite"),
    "node classification": UserScript("gnn.py", library="torch-geometric"),
    "Hydra app": UserScript("hydra_app.py", "epochs=6", library="hydra-core"),
    "click command": UserScript("click_app.py", "train --lr 0.003", library="click"),
    "W&B and TensorBoard": UserScript("tracked.py", library="wandb", also=("tensorboard",)),
}
"""By style."""


def command(script: UserScript, *options: str) -> list[str]:
    """Return the command line that runs lrfind on a script."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={script.processes}"]
    return [sys.executable, *(launcher if script.processes > 1 else []), "-m", "lrfind", *script.line(*options)]


def copy_scripts(folder: Path) -> None:
    """Copy the scripts to a new folder, in which they may write."""
    shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
    for place in (folder, *filter(Path.is_dir, folder.rglob("*"))):
        place.chmod(0o755)  # also if the clone cannot be written


def run(script: UserScript) -> dict[str, Any]:
    """Run lrfind on a script, and return what the table says of it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "scripts")
        copy_scripts(folder)
        started = time.monotonic()
        done = subprocess.run(command(script, "--json"), cwd=folder, capture_output=True, text=True)
        seconds = time.monotonic() - started
    record: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
    return {
        "library": script.library,
        "version": importlib.metadata.version(script.library).partition("+")[0],
        "exit_code": done.returncode,
        "seconds": round(seconds),
        "suggested_lr": record.get("suggested_lr"),
        "confidence": record.get("confidence"),
        "title": record.get("title"),
        "train": record.get("settings", {}).get("train"),
        "message": record.get("message") or "".join(done.stderr.strip().splitlines()[-1:]),
    }


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the runs as a table in Markdown."""
    heads = ("style", "library", "trains", "updates, schedule", "learning rate (confidence)")
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    for style, row in rows.items():
        train = row["train"] or {}
        plan = f"{train.get('steps') or 'unknown'}, {train['schedule']}" if train else ""
        lr = row["suggested_lr"]
        outcome = f"none: {row['message']}" if lr is None else f"{lr:.3g} ({row['confidence']:.0%})"
        trained = (row["title"] or "").removesuffix(", cpu")
        lines.append(f"| {style} | {row['library']} {row['version']} | {trained} | {plan} | {outcome} |")
    return "\n".join(lines)


def commands(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the commands of the runs that gave a learning rate, as a table in Markdown."""
    lines = ["| library | style | command |", "| --- | --- | --- |"]
    for style, row in rows.items():
        script = USER_SCRIPTS[style]
        start = f"torchrun --nproc-per-node {script.processes} -m lrfind" if script.processes > 1 else "lrfind"
        if row["suggested_lr"] is not None:
            lines.append(f"| {row['library']} {row['version']} | {style} | `{' '.join((start, *script.line()))}` |")
    return "\n".join(lines)


def main() -> None:
    """Run the scripts, print the table, and keep what it says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("styles", nargs="*", metavar="STYLE", help="default: all whose library is installed")
    parser.add_argument("--save", type=Path, required=True, help="where the outcomes are kept, other styles included")
    args = parser.parse_args()
    kept: dict[str, Any] = json.loads(args.save.read_text()) if args.save.exists() else {}
    for style in args.styles or [name for name, script in USER_SCRIPTS.items() if not script.missing]:
        kept[style] = run(USER_SCRIPTS[style])
        args.save.write_text(json.dumps({name: kept[name] for name in USER_SCRIPTS if name in kept}, indent=1) + "\n")
    print(table(kept))


if __name__ == "__main__":
    main()
