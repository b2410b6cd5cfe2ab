"""The one place where streams of random numbers are derived: from a seed, what they are for, and where.

Two streams must never be one by accident: where dropout and the mask of a node draw the same numbers, a gradient that
is unbiased on paper is off by a factor. `numpy.random.default_rng` invites that, for seed sequences pad with zeros:
``default_rng([s, 0])`` is ``default_rng(s)``. Here each stream is that of ::

    SeedSequence(seed, spawn_key=(domain, place, place, 0))

in words of 64 bits: the seed takes up two, the `Domain` says what is drawn, and the places say where. All are of one
length, so that two of them are spelt alike only if seed, domain and places are the same. The 0 at the end keeps them
apart from ``default_rng(s)`` for every whole number s, however large: no number has a highest word of zeros. And no
domain is a number that anybody would choose for a ``spawn_key``.

To make and seed a generator takes longer than to draw what a small node asks for. `lend` therefore puts a spare one at
the start of a stream; `give_back` makes it spare again.

A *key* is a whole number that all draws of one purpose hang on: a seed as it was given, or the `child` of another key.
"""

from __future__ import annotations

import operator
import os
from enum import Enum, unique

import numpy as np

from minigrad.typing import Seed

__all__ = ["Domain", "as_generator", "child", "draw_key", "generator", "give_back", "key_of", "lend", "level_key"]

WORD, LONG = (1 << 64) - 1, (1 << 128) - 1
MARK = 0x6D696E6967726164
"""Domains count up from here; the letters are those of "minigrad"."""


@unique
class Domain(Enum):
    """A purpose of random numbers: a number that never changes, and how many places tell its streams apart."""

    FORWARD = 0, 0
    """Draws of a tape while it records, as those of dropout: ``Tape(rng=seed)``."""
    RESIDUAL = 1, 2
    """A residual sketch; by node and saved input."""
    BACKWARD = 2, 2
    """The estimator of a node in a backward pass; by node and input."""
    SAMPLE = 3, 0
    """An estimator that is called by hand with a seed."""
    DROPOUT = 4, 0
    """`ops.dropout` with a seed of its own."""
    INITIALISATION = 5, 0
    """Initial values of parameters."""
    ORDER = 6, 1
    """The order in which training sees its samples; by pass."""
    STEP = 7, 1
    """The key of a training step; by step."""
    AUGMENTATION = 8, 0
    """Augmentation of a batch, from the key of its step."""
    SUBSET = 9, 1
    """A random part of a data set; by training and test part."""
    BATCH = 10, 1
    """The choice of a batch that an inspection looks at; by number."""
    RECORDING = 11, 1
    """The key of the forward pass on it; by number."""
    DRAW = 12, 1
    """The key of one draw of an inspection; by number."""
    PILOT = 13, 1
    """The key of one draw of the pilot of a test; by number."""
    SUSPECT = 14, 0
    """The key of the draws that look for the node to blame."""
    TRIAL = 15, 1
    """The key of an assertion about one of several cotangents; by number."""
    TRIED = 16, 0
    """The cotangents on which an assertion tries an estimator."""
    COTANGENT = 17, 0
    """The cotangent with which gradients are checked against differences."""
    EXPLORED = 18, 1
    """A draw that the explorer shows; by number."""
    EXAMPLE = 19, 0
    """The network that the explorer shows when it is given none."""
    REPORT = 20, 1
    """The key of one of several inspections that make a report; by number."""
    COST = 21, 1
    """A draw at a place of the comparison at equal cost, for its mean cost; by number."""
    PLACE = 22, 1
    """Such a draw for its noise; by number."""
    PARTS = 23, 0
    """Random parts of a batch, whose exact gradients a method is compared with."""
    RESAMPLE = 24, 0
    """The measured batches that a bootstrap takes again, for the error of a number that was chosen."""
    LISTENED = 25, 0
    """Calls of an estimator that find out whether it draws at all."""
    DIRECTION = 26, 0
    """The directions of a gradient that is estimated without a backward pass."""
    TANGENT = 27, 1
    """A direction of the parameters, along which the shares of nodes in a variance are measured; by number."""
    AROUND = 28, 1
    """The key of the backward pass of a tape around others; by how many of them stood within one another."""
    SAMPLER = 29, 1
    """The draws of a sampler, of the training data; by step, or by pass."""

    DITHER = 30, 0
    """The dither of a stochastic rounding, drawn again where it is subtracted."""
    STAGE = 31, 1
    """The key of one stage of a pipeline, from that of its step; by stage."""

    def __init__(self, number: int, places: int):
        self.word, self.places = MARK + number, places


def key_of(rng: Seed) -> int:
    """The key of what is drawn, from what a ``rng=`` argument takes.

    Parameters
    ----------
    rng : Generator, int or None
        A generator moves on by one draw; a seed is taken as it is; None takes fresh entropy.

    Raises
    ------
    TypeError
        If it is anything else.
    ValueError
        If the seed is negative.

    Examples
    --------
    >>> key_of(7), 0 <= key_of(None) < 2**64
    (7, True)
    """
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    if rng is None:
        return int.from_bytes(os.urandom(8), "little")
    try:
        seed = operator.index(rng)
    except TypeError:
        raise TypeError(f"rng= takes a numpy.random.Generator, a seed (int ≥ 0) or None, got {rng!r}") from None
    if seed < 0:
        raise ValueError(f"rng={seed}: a seed must not be negative")
    return seed


def as_generator(domain: Domain, rng: Seed) -> np.random.Generator:
    """Turn a ``rng=`` argument into a generator: one that is handed in stays what it is.

    Parameters
    ----------
    domain : Domain
        Without places. What a seed draws here it draws nowhere else.
    rng : Generator, int or None
        None takes fresh entropy.

    Raises
    ------
    TypeError, ValueError
        As for `key_of`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> as_generator(Domain.DROPOUT, rng) is rng
    True
    >>> as_generator(Domain.DROPOUT, 0).random() == np.random.default_rng(0).random()
    False
    """
    if isinstance(rng, np.random.Generator):
        return rng
    return np.random.default_rng() if rng is None else generator(domain, key_of(rng))


def generator(domain: Domain, key: int, *places: int) -> np.random.Generator:
    """A generator at the start of one stream.

    Parameters
    ----------
    domain : Domain
    key : int
        Not negative.
    *places : int
        As many as the domain has; in [0, 2⁶⁴).

    Raises
    ------
    TypeError
        If there are more or fewer places.
    ValueError
        If the key is negative.

    Examples
    --------
    >>> a, b = generator(Domain.BACKWARD, 0, 1, 0), generator(Domain.RESIDUAL, 0, 1, 0)
    >>> a.random() == generator(Domain.BACKWARD, 0, 1, 0).random(), a.random() == b.random()
    (True, False)
    """
    return np.random.default_rng(_sequence(domain, key, places))


SPARE: list[np.random.Generator] = []
"""Generators that nobody draws from. A list, so that a backward pass within an estimator, or in another thread, takes
another one: `list.pop` and `list.append` are atomic."""

MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
"""Of PCG64 (O'Neill 2014, *PCG: A family of simple fast space-efficient statistically good algorithms*)."""


def lend(domain: Domain, key: int, *places: int) -> np.random.Generator:
    """A generator like that of `generator`, bit by bit, for a moment: hand it to nobody who may keep it.

    Examples
    --------
    >>> a = lend(Domain.BACKWARD, 0, 1, 0)
    >>> a.random() == generator(Domain.BACKWARD, 0, 1, 0).random()
    True
    >>> give_back(a)
    """
    sequence = _sequence(domain, key, places)
    try:
        rng = SPARE.pop()
    except IndexError:
        return np.random.Generator(np.random.PCG64(sequence))
    high, low, more, last = sequence.generate_state(4, np.uint64).tolist()
    # The way in which PCG64 seeds itself: two steps from 0, with the seed added in between.
    step = ((more << 64 | last) << 1 | 1) & LONG
    state = ((step + (high << 64 | low)) * MULTIPLIER + step) & LONG
    rng.bit_generator.state = {
        "bit_generator": "PCG64", "state": {"state": state, "inc": step}, "has_uint32": 0, "uinteger": 0,
    }  # fmt: skip
    return rng


def give_back(rng: np.random.Generator) -> None:
    """Make a generator from `lend` spare: its next numbers are those of another stream."""
    SPARE.append(rng)


def child(domain: Domain, key: int, *places: int) -> int:
    """A key of 64 bits that is derived from another one; the arguments are those of `generator`.

    Examples
    --------
    >>> child(Domain.STEP, 0, 1) == child(Domain.STEP, 0, 1), child(Domain.STEP, 0, 1) == child(Domain.STEP, 0, 2)
    (True, False)
    """
    return int(_sequence(domain, key, places).generate_state(1, np.uint64)[0])


def draw_key(key: int, number: int) -> int:
    """The key of one draw out of many."""
    return child(Domain.DRAW, key, number)


def level_key(rng: Seed, level: int) -> int:
    """The key of the backward pass of a tape within which others have recorded, ``level`` of them one in another.

    Each level draws by itself, also where all get one seed: a second derivative multiplies their draws, and one draw
    taken twice has not the mean of two.
    """
    key = key_of(rng)
    return child(Domain.AROUND, key, level) if level else key


def _sequence(domain: Domain, key: int, places: tuple[int, ...]) -> np.random.SeedSequence:
    if len(places) != domain.places:
        raise TypeError(f"{domain.name} has {domain.places} places, got {len(places)}: {places}")
    key = operator.index(key)
    if key >> 128:  # negative or longer than the 128 bits that a seed has here
        if key < 0:
            raise ValueError(f"the seed {key} is negative; it must not be")
        whole = np.random.SeedSequence(key, spawn_key=(MARK & 0xFFFFFFFF, 0)).generate_state(2, np.uint64)
        key = int(whole[0]) | int(whole[1]) << 64
    # Written out, the words that SeedSequence makes of an entropy and a spawn_key: this takes half the time.
    first, second = (*places, 0, 0)[:2]
    words = np.array([key & WORD, key >> 64, domain.word, first, second, 0], "<u8")
    return np.random.SeedSequence(words.view("<u4"))
