"""The targets of classifiers: one class a row, or several labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from lamina.errors import DataError
from lamina.estimators.objective import RowLosses, of_classes, of_labels


@dataclass(frozen=True)
class Labels:
    """The classes of a classifier, and what its outputs mean.

    Two classes have one output, the logit of the second; more have one each. With several labels a row each label has
    one, the logit of its presence.

    Attributes
    ----------
    classes : ndarray
        Sorted; for several labels a row their numbers.
    several : bool
        Whether a row has several labels.
    """

    classes: np.ndarray
    several: bool

    @classmethod
    def of(cls, owner: str, y: Any, classes: Any = None) -> Labels:
        """Return the labels that targets have, or those given, of which the targets may lack some."""
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multilabel-indicator":
            return cls(np.arange(y.shape[1]), True)
        if kind == "multiclass-multioutput":
            raise DataError(f"{owner}: y has several columns of classes; fit one classifier for each")
        found = np.unique(column_or_1d(y, warn=True)) if classes is None else np.unique(np.asarray(classes))
        if len(found) < 2:
            raise DataError(f"{owner}: y has 1 class, {found[0].item()!r}; at least two classes are needed")
        return cls(found, False)

    @property
    def binary(self) -> bool:
        """Whether a row is of one of two classes."""
        return not self.several and len(self.classes) == 2

    @property
    def outputs(self) -> int:
        """How many outputs a network needs."""
        return 1 if self.binary else len(self.classes)

    def same(self, other: Labels) -> bool:
        """Tell whether other labels are these."""
        return self.several == other.several and np.array_equal(self.classes, other.classes)

    def encoded(self, owner: str, y: Any) -> np.ndarray:
        """Return targets as numbers: of the class; or 0 and 1 in a column for each label, or for the second class."""
        if self.several:
            labels = np.asarray(y)
            if labels.ndim != 2 or labels.shape[1] != len(self.classes):
                raise DataError(
                    f"{owner}: y has shape {list(labels.shape)}; it has a column for each of {self.outputs} labels"
                )
            return labels
        flat = column_or_1d(y)
        unknown = np.setdiff1d(flat, self.classes)
        if len(unknown):
            raise DataError(f"{owner}: y has the classes {unknown.tolist()}, which are not in {self.classes.tolist()}")
        numbers: np.ndarray = np.searchsorted(self.classes, flat)
        return numbers[:, None] if self.binary else numbers

    def losses(self) -> RowLosses:
        """Return the losses of rows."""
        return of_labels if self.several or self.binary else of_classes

    # --- what outputs mean ---

    def numbers(self, outputs: np.ndarray) -> np.ndarray:
        """Return the numbers of the predicted classes of shape [n], or 0 and 1 for each label of shape [n, labels]."""
        if self.several:
            return (outputs > 0).astype(np.int64)
        if self.binary:
            return (outputs[:, 0] > 0).astype(np.intp)
        best: np.ndarray = outputs.argmax(axis=1)
        return best

    def decoded(self, outputs: np.ndarray) -> np.ndarray:
        """Return the predicted classes or labels."""
        numbers = self.numbers(outputs)
        return numbers if self.several else self.classes[numbers]

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes or labels."""
        if self.several:
            return expit(outputs)  # type: ignore[no-any-return]
        if self.binary:
            both = np.empty((len(outputs), 2), outputs.dtype)
            expit(outputs[:, 0], out=both[:, 1])
            np.subtract(1, both[:, 1], out=both[:, 0])
            return both
        return np.asarray(softmax(outputs, axis=1))

    def accuracy(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        """Return the share of rows that are predicted as they are; of several labels, all of them."""
        right = self.numbers(outputs) == (targets[:, 0] if self.binary else targets)
        return float((right.all(axis=1) if self.several else right).mean())


def check_labels(owner: str, y: Any) -> None:
    """Refuse labels of which one is missing, of several types, and numbers that no type of NumPy holds.

    Raises
    ------
    DataError
        It names the first row.
    """
    found = np.asarray(y) if hasattr(y, "__array__") or isinstance(y, list | tuple) else None
    if found is None or found.dtype != object or found.ndim != 1:
        return
    values = found.tolist()
    missing = [row for row, label in enumerate(values) if _is_missing(label)]
    if missing:
        rows = "1 row" if len(missing) == 1 else f"{len(missing)} rows"
        raise DataError(f"{owner}: y has no label in {rows}, the first of them row {missing[0]}; leave such rows out")
    kinds = {type(label).__name__ for label in values}
    if "str" in kinds and len(kinds) > 1:
        raise DataError(f"{owner}: y has labels of the types {', '.join(sorted(kinds))}; give all of them as texts")
    if kinds == {"int"} and not all(-(2**63) <= label < 2**63 for label in values):
        raise DataError(f"{owner}: y has labels beyond 64 bits, such as {max(values, key=abs)}; give them as texts")


def _is_missing(label: Any) -> bool:
    return type(label).__name__ in ("NoneType", "NAType", "NaTType") or (isinstance(label, float) and label != label)


class LabelledAnswers(ClassifierMixin):  # type: ignore[misc]
    """What a classifier answers by its ``_labels`` and the ``_outputs`` of rows."""

    _labels: Labels
    _outputs: Callable[[Any], np.ndarray]

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits of rows: of shape [n] for two classes, else [n, classes] or [n, labels]."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._labels.binary else outputs

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each row, of shape [n]; or 0 and 1 for each label, of shape [n, labels]."""
        outputs = self._outputs(X)
        return self._labels.decoded(outputs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, of shape [n, classes]; or of each label, of shape [n, labels]."""
        outputs = self._outputs(X)
        return self._labels.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of `predict_proba`."""
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(probabilities))
