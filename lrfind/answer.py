"""What the Python API returns: a `Result` that answers, draws itself, and is kept in a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lrfind.errors import Fault, LrfindError, shown
from lrfind.output.curve import headline
from lrfind.output.drawing import drawn
from lrfind.output.files import write_atomically
from lrfind.output.html import html
from lrfind.output.look import Look, Theme
from lrfind.output.picture import is_page, save_picture
from lrfind.records.columns import Chosen
from lrfind.records.read import only, parse, read_text
from lrfind.records.types import Refusal, Result, Status

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WAY_OUT = "make room there, or name a file in another folder"


@dataclass(frozen=True, repr=False)
class Answer(Result):
    """The learning rate of a training, how far it can be trusted, and all that was measured.

    It is true if a learning rate is suggested: `if not answer: print(answer.message)`. In a notebook it shows
    itself, with its picture. Beside the properties below it has all attributes of `lrfind.records.types.Result`,
    such as `group_lrs`, `sweep`, `probes` and `analysis`.
    """

    @property
    def suggested_lr(self) -> float | None:
        """The learning rate to train with, for the schedule asked for; None if none can be trusted."""
        return self.analysis.suggested_lr

    @property
    def suggested_lrs(self) -> dict[str, float]:
        """The same for each schedule, `constant`, `cosine`, `linear`, `onecycle`; empty without one."""
        return self.analysis.suggested_lrs

    @property
    def safe_range(self) -> tuple[float, float] | None:
        """The lowest and the highest learning rate that do about as well; None without a suggestion."""
        return self.analysis.safe_range

    @property
    def confidence(self) -> float:
        """How likely the suggestion is a good one, 0 to 1; 0 without one."""
        return self.analysis.confidence

    @property
    def message(self) -> str:
        """The finding in a sentence or two: why this learning rate, or why none and what to change."""
        return self.analysis.message

    @property
    def status(self) -> Status:
        """`ok` or `no_suggestion`."""
        return self.analysis.status

    @property
    def reason(self) -> Refusal | None:
        """Why no learning rate is suggested, such as `flat` or `noise`; None if one is."""
        return self.analysis.reason

    def plot(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str = "",
        mark: float | None = None,
        theme: Theme = "light",
    ) -> Figure:
        """Return the picture of loss against learning rate. Neither pyplot nor a display is used.

        Args:
            path: Where to save it as well, as PNG, SVG or PDF by its suffix, or as the page of `lrfind run --report` if
                that is .html; a file that is there is replaced.
            title: Its heading; by default what was trained.
            mark: A learning rate of your own, to be drawn beside the suggestion.
            theme: `light`, `dark`, `paper` (serif, without a heading) or `notebook` (for a page of any colour).

        Raises:
            OutputError: The suffix is another one, or the file cannot be written.
        """
        look = Look(title, mark, theme)
        picture = drawn(self, look)
        file = None if path is None else Path(path)
        if file is not None and is_page(file):
            _full().save_page({file.stem: self}, file, look, WAY_OUT)
        elif file is not None:
            save_picture(picture, file, WAY_OUT)
        return picture

    def report(self, *, mark: float | None = None, width: int = 100) -> str:
        """Return the report that `lrfind run` prints: finding, probes, curve and facts, as plain text.

        Args:
            mark: A learning rate of your own, to be compared with the suggestion.
            width: Columns to fill.
        """
        return str(_full().report_text(self, mark, width))

    def explain(self, lr: float | None = None) -> str:
        """Return what the probes did around the suggestion: which crawled, descended, overshot or diverged.

        Args:
            lr: Another constant learning rate to compare the others with: that of the nearest probe.

        Raises:
            RecordError: There are no two probes of one length.
        """
        return str(_full().explanation_text(self, lr))

    def schedule(self, name: str, optimizer: Any = None, *, epochs: int, steps_per_epoch: int) -> Any:
        """Return a scheduler of PyTorch for the suggestion, set up for a training of that length.

        Args:
            name: As `lrfind schedule` lists them: `onecycle`, `cosine`, `warmup-cosine`, `linear`, `wsd`, ...
            optimizer: Whose learning rates are set, each group's own; step the scheduler after each update, and
                `plateau`, `step` and `multistep` after each epoch. Without one, Python code is returned that trains as
                the record says.
            epochs: Of the training.
            steps_per_epoch: Updates in each.

        Raises:
            LrfindError: The name is unknown, no learning rate is suggested, or the groups are not those swept.
        """
        return _full().schedule(self, name, optimizer, epochs, steps_per_epoch)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON record, which `lrfind.load` and the commands `plot`, `analyze` and `schedule` read.

        Raises:
            OutputError: The file cannot be written; an old one is unchanged.
        """
        write_atomically(Path(path), (_full().to_json(self) + "\n").encode(), WAY_OUT)

    def apply(self, optimizer: Any, scheduler: Any = None) -> None:
        """Set the learning rates of an optimizer, and the `initial_lr` that schedulers start from, to the suggestion.

        Every group gets its own; one with a fixed learning rate keeps it. A scheduler that exists already has taken
        its learning rates from the optimizer before: make it after this, or hand it over, and the suggestion becomes
        the peak of its schedule.

        Args:
            optimizer: A torch.optim.Optimizer with the parameter groups that were swept; several in a list, as there.
            scheduler: Of that optimizer, one of torch.optim.lr_scheduler, or several in a list; all its learning
                rates are multiplied by new over old peak, the lowest ones as well.

        Raises:
            LrfindError: No learning rate is suggested, or the groups are others.
        """
        if self.suggested_lr is None:
            raise LrfindError(Fault("apply", problem=f"no learning rate is suggested: {self.message}"))
        optimizers = optimizer if isinstance(optimizer, (list, tuple)) else [optimizer]
        if (count := sum(len(each.param_groups) for each in optimizers)) != len(self.groups):
            expected = f"the {len(self.groups)} parameter groups that were swept"
            raise LrfindError(Fault("optimizer", expected=expected, got=str(count)))
        from lrfind.training.scheduler_peaks import set_lrs, set_peaks  # loads torch, which `load` does without

        schedulers = scheduler if isinstance(scheduler, (list, tuple)) else [] if scheduler is None else [scheduler]
        lrs = iter([group.lr(self.suggested_lr) for group in self.groups])
        for each in optimizers:
            mine = list(islice(lrs, len(each.param_groups)))
            own = [one for one in schedulers if len(optimizers) == 1 or one.optimizer is each]
            if own:
                set_peaks(each, mine, own)
            else:
                set_lrs(each, mine)

    def __bool__(self) -> bool:
        return self.status is Status.OK

    def __str__(self) -> str:
        return shown(f"{headline(self)}. {self.message}")

    def __repr__(self) -> str:
        names = ("suggested_lr", "safe_range", "confidence") if self else ("suggested_lr", "message")
        return f"Answer({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html(self, self.plot(theme="notebook"))


def _full() -> Any:
    from lrfind.page import for_python  # loads pydantic and rich, which find_lr does without

    return for_python


class Found(Answer):
    """An answer with a learning rate: what is left behind `if answer`, also for a type checker."""

    if TYPE_CHECKING:

        @property
        def suggested_lr(self) -> float: ...  # noqa: D102 - as above, but never None

        @property
        def safe_range(self) -> tuple[float, float]: ...  # noqa: D102

    def __bool__(self) -> Literal[True]:
        return True


class Refused(Answer):
    """An answer without a learning rate: `message` says why, and what to change."""

    def __bool__(self) -> Literal[False]:
        return False


def answer_of(result: Result) -> Found | Refused:
    """Return a result as an answer.

    Raises:
        KeyboardInterrupt: The user interrupted the search.
    """
    if result.interrupted:
        raise KeyboardInterrupt
    return _answer(result)


def _answer(result: Result) -> Found | Refused:
    return (Found if result.analysis.status is Status.OK else Refused)(**vars(result))


def load(
    path: str | os.PathLike[str],
    *,
    updates_per_point: float | None = None,
    lr_column: str | None = None,
    loss_column: str | None = None,
) -> Found | Refused:
    """Read a record: what `Answer.save` or `lrfind run` wrote. A curve from elsewhere is read as by `lrfind analyze`.

    Args:
        path: The file.
        updates_per_point: Updates that each point of a curve from elsewhere stands for, at least 1: those of an epoch,
            for example. None takes them from its column of steps; without one a point is an update.
        lr_column: Name of the column of learning rates in a curve from elsewhere; None finds it by its meaning.
        loss_column: Name of the column of losses.

    Raises:
        RecordError: The file cannot be read, holds neither, or the records of several runs.
        ConfigError: `updates_per_point` is below 1 or not finite.
    """
    name = str(path)
    content = only(parse(read_text(name), name), name)
    chosen = Chosen(lr_column, loss_column)
    return _answer(_full().result_of(content, name, updates_per_point=updates_per_point, chosen=chosen))
