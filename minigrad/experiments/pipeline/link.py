"""Links: frames over a socket on the loopback address, counted and timed."""

from __future__ import annotations

import socket
import time
from typing import Any

from minigrad.experiments.pipeline.frame import HEAD_BYTES, Role, decode, encode, read_head
from minigrad.structure import Cotangent
from minigrad.typing import Shape

__all__ = ["Link", "LinkError", "loopback_pair"]

LOOPBACK = "127.0.0.1"


class LinkError(ConnectionError):
    """The other end of a link has gone."""


class Link:
    """One end of a connection between two stages.

    Parameters
    ----------
    end : socket
        Connected; the link closes it.

    Attributes
    ----------
    coding : float
        Seconds of this processor that it took to make and to read frames.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = map(Link, loopback_pair())
    >>> a.send(np.ones((2, 3), np.float32), 0, "activation")
    (108, 84)
    >>> b.receive(0, "activation", (2, 3), np.float32).sum().item()
    6.0
    >>> a.close(), b.close()
    (None, None)
    """

    def __init__(self, end: socket.socket):
        self.end = end
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a frame is sent whole; nothing is to be waited for
        self.coding = 0.0

    def send(self, g: Cotangent, step: int, role: Role) -> tuple[int, int]:
        """Send an array or a structured cotangent.

        Returns
        -------
        sent, headers : int
            Bytes, and those of them that are no part of the arrays.

        Raises
        ------
        LinkError
            If the other end has gone.
        """
        began = time.thread_time()
        frame = encode(g, step, role)
        self.coding += time.thread_time() - began
        try:
            self.end.sendall(frame)
        except OSError as error:
            raise LinkError(f"the stage at the other end has gone ({error})") from error
        return len(frame), HEAD_BYTES + read_head(frame).description

    def receive(self, step: int, role: Role, shape: Shape, dtype: Any) -> Cotangent:
        """Wait for what is expected.

        Raises
        ------
        LinkError
            If the other end has gone.
        FrameError
            If something else comes.
        """
        head = self._bytes(HEAD_BYTES)
        length = read_head(head).length
        rest = self._bytes(length - HEAD_BYTES)
        began = time.thread_time()
        found = decode(head + rest, role=role, step=step, shape=shape, dtype=dtype)
        self.coding += time.thread_time() - began
        return found

    def _bytes(self, count: int) -> bytearray:
        """So many bytes."""
        found = bytearray(count)
        left = memoryview(found)
        while left:
            try:
                came = self.end.recv_into(left)
            except OSError as error:
                raise LinkError(f"the stage at the other end has gone ({error})") from error
            if not came:
                raise LinkError(f"the stage at the other end has gone; {len(left)} of {count} bytes had not come")
            left = left[came:]
        return found

    def close(self) -> None:
        """Close this end; the other one will know."""
        self.end.close()


def loopback_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a new TCP connection on the loopback address; nobody else had a chance to connect."""
    with socket.create_server((LOOPBACK, 0)) as server:
        while True:
            one = socket.create_connection(server.getsockname())
            other, address = server.accept()
            if address == one.getsockname():
                return one, other
            one.close()  # somebody else was faster
            other.close()
