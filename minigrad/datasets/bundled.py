"""The data set that comes with minigrad: small handwritten digits, no download."""

from __future__ import annotations

from importlib import resources

import numpy as np

from minigrad.datasets.dataset import Dataset
from minigrad.datasets.loading import register

__all__ = ["digits"]


@register("digits", "1,797 handwritten digits, 8×8 grey, bundled")
def digits() -> Dataset:
    """Load the 1,797 handwritten digits that are bundled with minigrad.

    Each pixel counts the ink in a 4×4 block of a scan, 0 to 16; it is divided by 16 here. Every fifth
    zero, every fifth one and so on is in the test set, always the same ones, so that both parts have
    their share of each digit. Neighbouring digits often come from one writer, which makes test
    accuracies a little flattering.

    Returns
    -------
    Dataset
        Images of shape (N, 8, 8, 1), float32 in [0, 1], and labels of int64; ``.flat()`` makes rows
        of 64 features.

    Notes
    -----
    E. Alpaydin and C. Kaynak (1998), *Optical Recognition of Handwritten Digits*, UCI Machine Learning
    Repository, doi:10.24432/C50P49, CC BY 4.0, in the order in which scikit-learn carries them.

    Examples
    --------
    >>> data = digits()
    >>> data
    Dataset('digits': 1,442 for training, 355 for testing, input (8, 8, 1), 10 classes)
    >>> data.y_train[:8].tolist()
    [0, 1, 2, 3, 4, 5, 6, 7]
    >>> for row in data.x_train[0, :, :, 0]:
    ...     print("".join(" .:oO@"[int(5 * pixel)] for pixel in row).rstrip())
      .O:
      OOoO.
      O  o:
     .o  ::
     .:  ::
     .o  o:
      O.oo
      .Oo
    """
    archive = resources.files("minigrad") / "data" / "digits.npz"
    with archive.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    x = (images[..., np.newaxis] / 16).astype(np.float32)
    y = labels.astype(np.int64)
    test = np.zeros(len(y), dtype=bool)
    for digit in range(10):
        test[np.flatnonzero(y == digit)[4::5]] = True
    return Dataset(
        name="digits",
        x_train=x[~test],
        y_train=y[~test],
        x_test=x[test],
        y_test=y[test],
        classes=tuple("0123456789"),
        source="Alpaydin & Kaynak (1998), Optical Recognition of Handwritten Digits, doi:10.24432/C50P49",
        licence="CC BY 4.0",
    )
