"""The tasks: real trainings of a second to a few, as configs of lrfind.

Each belongs to a family, and whole families are for *tuning* or for *reporting*. Tuning tasks are all those whose
figures were looked at while the analyzer was made. Nothing may be tuned on a reporting task, nor on one of its family:
only their figures tell how good a suggestion is on a new training. Once figures have been acted on, they cannot report
any more.
"""

from __future__ import annotations

from accuracy.lifelike_tasks import LIFELIKE
from accuracy.reporting_tasks import REPORTING
from accuracy.seen_lifelike_tasks import SEEN_LIFELIKE
from accuracy.seen_tasks import SEEN
from accuracy.task import Task
from accuracy.tuning_tasks import TUNING

__all__ = ["LONG", "TASKS", "Task"]

TASKS = {task.name: task for task in (*TUNING, *SEEN, *LIFELIKE, *SEEN_LIFELIKE, *REPORTING)}
"""Every task by its name."""

LONG = ("softmax_sgd", "mlp_sgd", "cancer_adam", "wine_nadam_b8", "fasttext_sgd", "diabetes_gaussian_adam")
"""Cheap tasks whose truth is also taken at ten times the length: how does the answer depend on the horizon?"""
