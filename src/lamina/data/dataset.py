"""`Dataset`: arrays of inputs and targets that belong together, and their division into parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from lamina.data.table import counted_name
from lamina.errors import DataError

if TYPE_CHECKING:
    from lamina.data.preprocessing import TablePreprocessing
    from lamina.data.targets import Target

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
    description : str
        What the rows are, and where they come from.
    preprocessing : TablePreprocessing, optional
        How columns of a table became ``inputs``; for `of`, which encodes more rows in the same way.
    target : ClassTarget or NumericTarget, optional
        How a column became ``targets``; its ``decode`` brings a model's outputs back to the column's units.

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
    description: str = ""
    preprocessing: TablePreprocessing | None = None
    target: Target | None = None

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise DataError(
                f"Dataset: {len(self.inputs)} rows of inputs but {len(self.targets)} targets; "
                "the first axis of both must have the same length"
            )

    @classmethod
    def of(
        cls,
        source: Any,
        target: str | Any | None = None,
        *,
        task: Literal["classification", "regression"] | None = None,
        like: Dataset | None = None,
    ) -> Dataset:
        """Return a table's columns as inputs and targets: standardised, encoded, missing values filled.

        Columns that a model can learn nothing from (no values, mostly different texts) are left out with a warning.
        Rows without a target are left out.

        Parameters
        ----------
        source : str, Path, Table, data frame, mapping or array
            A file that `read_table` reads, or what `Table.of` takes.
        target : str or array, optional
            The name of the column to learn, or its values, one for each row. Not needed with ``like``.
        task : str, optional
            ``"classification"`` or ``"regression"``; when None, as `infer_task` says.
        like : Dataset, optional
            A set made by `of`, such as the training rows: nothing is fitted, everything encoded as there.

        Raises
        ------
        DataError
            When the table or the target cannot be used.

        Examples
        --------
        >>> from lamina.data import Dataset
        >>> houses = {"rooms": [2, 4, 3], "town": ["Ulm", "Bonn", "Ulm"], "price": [250.5, 310.0, 280.1]}
        >>> data = Dataset.of(houses, "price")
        >>> data, data.feature_names
        (Dataset('table', inputs=[3, 3], targets=values), ('rooms', 'town=Bonn', 'town=Ulm'))
        >>> more = Dataset.of({"rooms": [3], "town": ["Ulm"], "price": [300.0]}, like=data)
        >>> more.inputs.shape
        (1, 3)
        """
        from lamina.data.encoding import dataset_of

        return dataset_of(source, target, task, like)

    def standardised(self, like: Dataset | None = None) -> Dataset:
        """Return the set with inputs of mean 0 and standard deviation 1, and so the targets if they are values.

        Parameters
        ----------
        like : Dataset, optional
            A set that was standardised, such as the training rows: its means and deviations are used.

        Examples
        --------
        >>> import lamina as la
        >>> train, test = la.data.load_embedded("wine").split(0.2)
        >>> train = train.standardised()
        >>> test = test.standardised(like=train)
        >>> train.inputs.mean(axis=0).round(3).max() + 0.0, train.preprocessing is test.preprocessing
        (np.float32(0.0), True)
        """
        from lamina.data.encoding import standardised

        return standardised(self, like)

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
        >>> rest, part = la.data.load_embedded("digits").split(0.2)
        >>> len(rest), len(part)
        (1437, 360)
        """
        labels = None if self.classes is None else self.targets
        rest, part = split_rows(len(self), share, seed=seed, labels=labels)
        return self.take(rest), self.take(part)


def split_rows(
    count: int, share: float, *, seed: int = 0, labels: Array | None = None, least: int = 2, unit: str = "row"
) -> tuple[Rows, Rows]:
    """Return the numbers of the rows in the rest and of those in a random ``share``.

    With ``labels``, each class keeps its proportion if both sides have room for all classes. A class with fewer than
    ``least`` rows stays in the rest, and every other one keeps a row there, for what is not learned cannot be known.
    """
    if not 0.0 < share < 1.0:
        raise DataError(f"split: the share must lie between 0 and 1, got {share}")
    size = int(np.ceil(share * count))
    if not 0 < size < count:
        raise DataError(
            f"split: a share of {share} of {count} {counted_name(count, unit)} leaves no {unit}s on one side; give "
            f"another share or more {unit}s"
        )
    from sklearn.model_selection import train_test_split

    if labels is None:
        rest, part = train_test_split(np.arange(count), test_size=size, random_state=seed)
        return rest, part
    classes, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    staying, free = (np.flatnonzero(each) for each in (counts[numbers] < least, counts[numbers] >= least))
    size = min(size, len(free) - len(np.unique(numbers[free])))
    if size < 1:
        raise DataError(
            f"split: none of the {len(classes)} classes has {least} {unit}s, which it takes to be on both sides; give "
            f"more {unit}s of each class, join rare classes to one, or train on all {unit}s without a split"
        )
    room = min(size, len(free) - size) >= len(np.unique(numbers[free]))
    rest, part = train_test_split(free, test_size=size, random_state=seed, stratify=numbers[free] if room else None)
    missing = np.setdiff1d(np.arange(len(classes)), [*numbers[rest], *numbers[staying]])
    first = [int(np.flatnonzero(numbers[part] == each)[0]) for each in missing]
    return np.concatenate([rest, part[first], staying]), np.delete(part, first)
