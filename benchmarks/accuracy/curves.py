"""Save the raw sweeps of the tuning tasks, so that analyzers can be compared offline, in seconds.

    python -m accuracy.curves --out /tmp/curves.json

The document maps "task|steps|seed" to [learning rates, losses, stop reason].
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from rich.progress import track

from accuracy.tasks import TASKS
from lrfind.config.schema import Config
from lrfind.pipeline import run

LENGTHS = (100, 200, 400)
SEEDS = 5


def sweeps(name: str) -> dict[str, Any]:
    """Return the sweeps of one task."""
    found = {}
    for seed in range(SEEDS):
        for steps in LENGTHS:
            document = TASKS[name].document(seed) | {"sweep": {"num_iter": steps}, "probes": {"enabled": False}}
            sweep = run(Config.model_validate(document), name).sweeps[0]
            found[f"{name}|{steps}|{seed}"] = [sweep.lrs, sweep.losses, sweep.stop_reason.value]
    return found


def main() -> None:
    """Sweep every tuning task and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(2) as pool:
        jobs = [pool.submit(sweeps, name) for name, task in TASKS.items() if task.role == "tuning"]
        for job in track(as_completed(jobs), "sweeps", total=len(jobs)):
            found |= job.result()
            arguments.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
