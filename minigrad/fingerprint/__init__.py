"""Fingerprints: what an object computes, as data that can be compared with that of another process.

`describe` turns values, arrays, functions and objects into JSON-ready data which are equal where the same is computed,
and `differences` names what is not. Of

- numbers, text, and containers of them: their values;
- arrays and Tensors: dtype, shape and a checksum of their bytes;
- functions: their name, their code, default values, variables that they enclose, and the global ones that they use;
- objects: their class and all their attributes, but for those that the class names in ``not_fingerprinted``;
- classes: the code of their methods and their other attributes, of base classes as well;
- modules: the checksum of their file;
- functions, classes and modules of Python itself and of installed packages: their names and the package's version; of
  minigrad the names, and the checksum of its files that `source` gives, once.

Anything that has an attribute ``fingerprint``, a text, is described by that text and by nothing else.
"""

from typing import TYPE_CHECKING

from minigrad.fingerprint.describe import FingerprintError, describe, describe_array
from minigrad.fingerprint.differences import differences
from minigrad.fingerprint.digest import digest
from minigrad.fingerprint.libraries import source
from minigrad.naming import answering

__all__ = ["FingerprintError", "describe", "describe_array", "differences", "digest", "source"]

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
