"""Experiments: methods side by side, on the same data, from the same beginnings."""

from typing import TYPE_CHECKING

from minigrad.experiments.compare import compare
from minigrad.experiments.comparison import Comparison
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.executors import dask_executor, process_executor
from minigrad.experiments.jobs import Job, run_jobs
from minigrad.experiments.method import Method
from minigrad.experiments.run import Run, train
from minigrad.experiments.store import Store
from minigrad.experiments.study import PRESETS, Study
from minigrad.experiments.study_result import StudyResult
from minigrad.experiments.study_runs import reproduce
from minigrad.naming import answering

__all__ = [
    "PRESETS",
    "Comparison",
    "Configuration",
    "Job",
    "Method",
    "Run",
    "Store",
    "Study",
    "StudyResult",
    "compare",
    "dask_executor",
    "process_executor",
    "reproduce",
    "run_jobs",
    "train",
]

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
