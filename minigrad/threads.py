"""The environment variables that tell BLAS libraries how many threads to use; NumPy reads them when it is imported."""

from __future__ import annotations

__all__ = ["THREAD_SETTINGS"]

THREAD_SETTINGS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
