"""Budgeted training: every run is a whole one, whose schedule ends when its budget is spent."""

from minigrad.experiments.budgeted_training.benchmark import BENCHMARKS, RIVALS, Benchmark
from minigrad.experiments.budgeted_training.benchmark_result import BenchmarkResult
from minigrad.experiments.budgeted_training.budgeted_run import BudgetedJob, BudgetedRun
from minigrad.experiments.budgeted_training.two_stages import budgeted

__all__ = ["BENCHMARKS", "RIVALS", "Benchmark", "BenchmarkResult", "BudgetedJob", "BudgetedRun", "budgeted"]
