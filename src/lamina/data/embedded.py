"""The data sets that come with the package's dependencies and need no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.data.dataset import Dataset
from lamina.errors import DataError


@dataclass(frozen=True)
class Embedded:
    """One set: what it is, and which of scikit-learn's loaders holds it."""

    title: str
    about: str
    source: str
    loader: str


EMBEDDED = {
    "digits": Embedded(
        "handwritten digits, 8 by 8 pixels",
        "Each row is an image of a digit that a person wrote. The features are its 64 pixels, row by row, "
        "from 0 (paper) to 1 (ink). The target is the digit. The usual split by rows leaves the same writers "
        "on both sides.",
        'E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning '
        "Repository, 1998: its test part.",
        "load_digits",
    ),
    "breast_cancer": Embedded(
        "tumours of the breast, malignant or benign",
        "Each row is a fine needle aspirate of a breast mass. The features are the mean, the standard error "
        "and the worst of ten measures of the cell nuclei in its image, such as radius, texture and "
        "concavity. The target is the diagnosis.",
        'W. Wolberg, O. Mangasarian, N. Street, W. Street, "Breast Cancer Wisconsin (Diagnostic)", UCI '
        "Machine Learning Repository, 1993.",
        "load_breast_cancer",
    ),
    "wine": Embedded(
        "wines of three growers",
        "Each row is a wine from one region of Italy. The features are thirteen chemical measures, such as "
        "alcohol, malic acid and hue. The target is which of three cultivars the grapes were.",
        'S. Aeberhard, M. Forina, "Wine", UCI Machine Learning Repository, 1992.',
        "load_wine",
    ),
    "iris": Embedded(
        "flowers of three species of iris",
        "Each row is a flower. The features are length and width of its sepals and petals in centimetres. The"
        " target is the species; one is far from the two others, which overlap a little.",
        'R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7, 1936.',
        "load_iris",
    ),
    "diabetes": Embedded(
        "progression of diabetes in a year",
        "Each row is a patient. The features are age (years), sex (1 or 2), body mass index, average blood "
        "pressure and six measures of the blood serum, in the units they were measured in. The target is a "
        "measure of the disease's progression one year later, from 25 to 346.",
        'B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Annals of Statistics 32, 2004.',
        "load_diabetes",
    ),
}


def embedded_names() -> list[str]:
    """Return the names that `load_embedded` takes.

    Examples
    --------
    >>> import lamina as la
    >>> la.data.embedded_names()
    ['digits', 'breast_cancer', 'wine', 'iris', 'diabetes']
    """
    return list(EMBEDDED)


def load_embedded(name: str) -> Dataset:
    """Return the embedded data set of this name, as scikit-learn ships it.

    ``inputs`` are float32 of shape [rows, features] in the units they were measured in (of the digits, from 0 to 1);
    `Dataset.standardised` puts them on a common scale. ``targets`` are the numbers of classes, int64 of shape [rows],
    or values, float32 of shape [rows, 1]. ``description`` says what they are and where they come from.

    Parameters
    ----------
    name : str
        ``"digits"`` (1,797 rows, 64 features, 10 classes), ``"breast_cancer"`` (569, 30, 2 classes), ``"wine"``
        (178, 13, 3 classes), ``"iris"`` (150, 4, 3 classes) or ``"diabetes"`` (442, 10, values).

    Raises
    ------
    DataError
        When there is none of this name.

    Examples
    --------
    >>> import lamina as la
    >>> la.data.load_embedded("wine")
    Dataset('wine', inputs=[178, 13], targets=3 classes)
    """
    if name not in EMBEDDED:
        raise DataError(f"load_embedded: there is no data set {name!r}; there are {', '.join(EMBEDDED)}")
    import sklearn.datasets

    row = EMBEDDED[name]
    options: dict[str, Any] = {"scaled": False} if name == "diabetes" else {}
    found = getattr(sklearn.datasets, row.loader)(**options)
    inputs = found.data.astype(np.float32)
    names = tuple(str(feature) for feature in found.feature_names)
    classes = tuple(str(each) for each in found.target_names) if "target_names" in found else None
    if name == "digits":
        inputs /= np.float32(16.0)
        names = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    targets = found.target.astype(np.float32)[:, None] if classes is None else found.target.astype(np.int64)
    return Dataset(inputs, targets, names, classes, name, f"{row.title.capitalize()}. {row.about}\n\n{row.source}")


def describe_embedded() -> dict[str, str]:
    """Return one line on each embedded data set, by its name, without loading them.

    Examples
    --------
    >>> import lamina as la
    >>> la.data.describe_embedded()["iris"]
    'flowers of three species of iris'
    """
    return {name: row.title for name, row in EMBEDDED.items()}
