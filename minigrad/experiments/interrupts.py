"""Ctrl-C at the right places: not amid the start or the end of a worker, and never in a worker itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess

__all__ = ["QuietContext", "held"]


@contextmanager
def held() -> Iterator[None]:
    """A block that Ctrl-C does not cut in two: it is acted on when the block has been left.

    Examples
    --------
    >>> import os, signal
    >>> steps = []
    >>> try:
    ...     with held():
    ...         signal.raise_signal(signal.SIGINT)
    ...         steps.append("all of it")
    ... except KeyboardInterrupt:
    ...     steps.append("interrupted")
    >>> steps
    ['all of it', 'interrupted']
    """
    before = signal.getsignal(signal.SIGINT)
    # Only the main thread is interrupted, and only where somebody listens: a shell ignores Ctrl-C for what it runs in
    # the background.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])


@contextmanager
def _blocked() -> Iterator[None]:
    """A block in which this thread, and what it starts, gets no SIGINT.

    A process inherits what is blocked, so that a worker is deaf to Ctrl-C from its first instruction on; a handler of
    its own would come too late, some seconds after its start on a busy machine.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class QuietProcess(SpawnProcess):
    """A process that is started afresh, and leaves Ctrl-C to the one that started it."""

    def start(self) -> None:
        """Start it; as a whole, since one that is started by half ends with a traceback of its own."""
        with held(), _blocked():
            super().start()


class QuietContext(SpawnContext):
    """The function that makes them; for a pool of processes."""

    Process = QuietProcess
