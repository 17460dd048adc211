"""`Dataset`: arrays of inputs and targets that belong together, and their division into parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and targets, row by row, with the names of what they mean.

    It unpacks as a pair, so it can stand wherever ``(X, Y)`` can.

    Attributes
    ----------
    inputs : array of shape [rows, ...]
        What the model is given.
    targets : array of shape [rows] or [rows, ...]
        What it should answer: the numbers of classes (int64), or values (float32).
    feature_names : tuple of str
        One name for each column of ``inputs``.
    classes : tuple of str, optional
        The name of each class; ``None`` when the targets are values.
    name : str
        What to call the set in messages.

    Raises
    ------
    DataError
        When inputs and targets differ in their number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from lamina.data import Dataset
    >>> data = Dataset(np.zeros((6, 2), np.float32), np.array([0, 1, 0, 1, 0, 1]), ("a", "b"), ("no", "yes"))
    >>> X, Y = data
    >>> X.shape, len(data)
    ((6, 2), 6)
    """

    inputs: Array
    targets: Array
    feature_names: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    name: str = "data"

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise DataError(
                f"Dataset: {len(self.inputs)} rows of inputs but {len(self.targets)} targets; "
                "the first axis of both must have the same length"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def __iter__(self) -> Iterator[Array]:
        return iter((self.inputs, self.targets))

    def __repr__(self) -> str:
        what = "values" if self.classes is None else f"{len(self.classes)} classes"
        return f"Dataset({self.name!r}, inputs={list(self.inputs.shape)}, targets={what})"

    def take(self, rows: Rows) -> Dataset:
        """Return the data set of the given rows, in the order given."""
        return replace(self, inputs=self.inputs[rows], targets=self.targets[rows])

    def split(self, share: float, *, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Return ``(the rest, the part)``, where the part holds a random ``share`` of the rows.

        Classes keep their proportions in both where they have enough rows.

        Parameters
        ----------
        share : float
            Between 0 and 1, both excluded.
        seed : int, default 0
            The same seed gives the same division.

        Raises
        ------
        DataError
            When the share leaves one side without rows.

        Examples
        --------
        >>> import lamina as la
        >>> rest, part = la.data.load_digits().split(0.2)
        >>> len(rest), len(part)
        (1437, 360)
        """
        labels = None if self.classes is None else self.targets
        rest, part = split_rows(len(self), share, seed=seed, labels=labels)
        return self.take(rest), self.take(part)


def split_rows(count: int, share: float, *, seed: int = 0, labels: Array | None = None) -> tuple[Rows, Rows]:
    """Return the numbers of the rows in the rest and of those in a random ``share``.

    With ``labels``, each class keeps its proportion if it has at least two rows and both sides have room.
    """
    if not 0.0 < share < 1.0:
        raise DataError(f"split: the share must lie between 0 and 1, got {share}")
    size = int(np.ceil(share * count))
    if not 0 < size < count:
        raise DataError(
            f"split: a share of {share} of {count} row{'' if count == 1 else 's'} leaves no rows on one side; "
            "give another share or more rows"
        )
    from sklearn.model_selection import train_test_split

    if labels is not None:
        _, counts = np.unique(labels, return_counts=True)
        if counts.min() < 2 or min(size, count - size) < len(counts):
            labels = None
    rest, part = train_test_split(np.arange(count), test_size=size, random_state=seed, stratify=labels)
    return rest, part
