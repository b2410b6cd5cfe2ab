"""Benchmarks: seconds and bytes side by side with hand-written NumPy and, where installed, PyTorch.

``python tests/benchmarks/run.py`` measures; pytest only checks that every program runs and that peers agree.
"""
