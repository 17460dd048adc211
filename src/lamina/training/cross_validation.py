"""k-fold cross-validation: how good a way of training is, by training it several times on parts of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina import random
from lamina.autodiff.trees import leaves, mapped
from lamina.errors import DataError
from lamina.nn.module import Module
from lamina.optim import Optimizer
from lamina.tensor import Tensor
from lamina.training.evaluation import Loss, evaluate
from lamina.training.fitting import fit
from lamina.training.history import History, as_text
from lamina.training.metrics import Metric
from lamina.training.numbers import check_count
from lamina.training.sample_arrays import Tree, count_of
from lamina.variable import Variable

if TYPE_CHECKING:
    from rich.table import Table

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CrossValidation:
    """The scores of each fold.

    Attributes
    ----------
    scores : dict of str to tuple of float
        ``"loss"`` and each metric, measured on each fold by the model that was trained on the others.
    histories : tuple of History
        Of the trainings.
    stratified : bool
        Whether every fold has the classes in their proportions.
    """

    scores: dict[str, tuple[float, ...]]
    histories: tuple[History, ...]
    stratified: bool

    @property
    def mean(self) -> dict[str, float]:
        """The mean of each score over the folds."""
        return {name: float(np.mean(values)) for name, values in self.scores.items()}

    @property
    def std(self) -> dict[str, float]:
        """The standard deviation of each score between folds, with one degree of freedom taken by the mean."""
        return {name: float(np.std(values, ddof=1)) for name, values in self.scores.items()}

    def table(self) -> Table:
        """Return a rich table of the scores of each fold, their mean and standard deviation."""
        from rich.table import Table

        folds = len(self.histories)
        table = Table(title=f"{folds} folds{', stratified' if self.stratified else ''}")
        for name in ("fold", *self.scores):
            table.add_column(name, justify="right")
        for fold, values in enumerate(zip(*self.scores.values(), strict=True), start=1):
            table.add_row(f"{fold}", *(f"{value:.4g}" for value in values), end_section=fold == folds)
        mean, std = self.mean, self.std
        table.add_row("mean", *(f"{mean[name]:.4g}" for name in self.scores), style="bold")
        table.add_row("std", *(f"{std[name]:.2g}" for name in self.scores))
        return table

    def __rich__(self) -> Table:
        return self.table()

    def __repr__(self) -> str:
        mean, std = self.mean, self.std
        values = ", ".join(f"{name}={mean[name]:.4g} ± {std[name]:.2g}" for name in self.scores)
        return f"CrossValidation({len(self.histories)} folds: {values})"

    def __str__(self) -> str:
        return as_text(self.table())


def cross_validate(
    make_model: Callable[[], Module],
    data: Any,
    *,
    loss: Loss,
    make_optimizer: Callable[[list[Variable]], Optimizer] | None = None,
    folds: int = 5,
    metrics: Sequence[Metric] = (),
    seed: int | None = None,
    stratify: bool | None = None,
    prepare: Callable[[Array, Array], tuple[Any, Any]] | None = None,
    sample_weight: Any = None,
    progress: bool = False,
    **options: Any,
) -> CrossValidation:
    """Train a new model for each of ``folds`` parts of the data, on the others, and measure it on that part.

    Parameters
    ----------
    make_model : callable
        Returns a new model.
    data : pair
        Inputs and targets, as `fit` takes them.
    loss : callable
        ``loss(outputs, targets)``; measured too.
    make_optimizer : callable, optional
        Returns an optimiser from the parameters of a model, such as ``functools.partial(optim.Adam, lr=0.01)``;
        `lamina.optim.Adam` when None.
    folds : int, default 5
        From 2 to the number of samples.
    metrics : sequence of str or callable
        As in `fit`; measured on the parts, and after each epoch where there is a validation share or early stopping.
    seed : int, optional
        Chooses the folds, the first weights of each model and what its training draws; nothing is drawn from the
        default generator then.
    stratify : bool, optional
        Whether each fold has the classes in their proportions. When None, where targets are classes: integers or
        truth values in one column, zeros and ones, or those of a `lamina.data.Dataset` with classes.
    prepare : callable, optional
        ``prepare(inputs, held_out)`` returns the inputs to train on and those to measure on, which it is given as
        arrays, or as tuples or dicts of arrays. What it
        learns, such as means to scale by, it is to learn from the first alone.
    sample_weight : array of shape [n], optional
        As in `fit`; the part that is measured is not weighed.
    progress : bool, default False
    **options
        What else `fit` takes, such as ``epochs`` and ``class_weight``. A ``validation`` share is taken from the part
        that is trained on, so that early stopping does not see the part that is measured.

    Returns
    -------
    CrossValidation

    Raises
    ------
    DataError
        When the data cannot be divided into so many folds; and what `fit` raises.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> X = la.random.Generator(0).normal((60, 2))
    >>> result = la.training.cross_validate(
    ...     lambda: nn.Linear(2, 1), (X, X.sum(axis=1, keepdims=True)), loss=nn.mse_loss, folds=3, epochs=2, seed=0)
    >>> len(result.scores["loss"]), list(result.mean), result.stratified
    (3, ['loss'], False)

    References
    ----------
    M. Stone, "Cross-validatory choice and assessment of statistical predictions", Journal of the Royal Statistical
    Society B 36, 1974.
    """
    for name in ("optimizer", "scheduler", "checkpoint", "resume"):
        if options.get(name):
            raise DataError(f"cross_validate: {name} belongs to one model; each fold has its own")
    inputs, targets = _arrays(data)
    count, samples = check_count("cross_validate", "folds", folds), count_of(targets)
    if not 2 <= count <= samples:
        raise DataError(f"cross_validate: {count} folds of {samples} samples; use 2 to {samples}")
    weights = None if sample_weight is None else np.asarray(_array(sample_weight))
    if weights is not None and len(weights) != samples:
        raise DataError(f"cross_validate: {len(weights)} sample weights for {samples} samples")
    source = random.default_generator().spawn(1)[0] if seed is None else random.Generator(seed)
    division, *generators = source.spawn(count + 1)
    labels = _labels(data, targets) if stratify is None or stratify else None
    if stratify and labels is None:
        raise DataError("cross_validate: stratify=True is for targets that are classes, in one column")
    parts = _parts(count, samples, labels, _seed(division))
    # On the samples trained on, metrics would only cost time.
    watched = metrics if {"validation", "early_stopping"} & options.keys() else ()
    scores: list[dict[str, float]] = []
    histories = []
    for (rest, part), generator in zip(parts, generators, strict=True):
        train, held_out = _rows(inputs, rest), _rows(inputs, part)
        if prepare is not None:
            train, held_out = prepare(train, held_out)
        with random.use_generator(generator):
            model = make_model()
        optimizer = None if make_optimizer is None else make_optimizer(model.parameters())
        weighed = None if weights is None else weights[rest]
        histories.append(fit(model, (train, _rows(targets, rest)), loss=loss, optimizer=optimizer, metrics=watched,
                             seed=_seed(generator), progress=progress, sample_weight=weighed, **options))  # fmt: skip
        scores.append(evaluate(model, (held_out, _rows(targets, part)), loss=loss, metrics=metrics))
    named = {name: tuple(score[name] for score in scores) for name in scores[0]}
    return CrossValidation(named, tuple(histories), labels is not None)


def _seed(generator: random.Generator) -> int:
    return int(generator.integers((), 0, 2**31).item())


def _array(values: Any) -> Any:
    return values.numpy() if isinstance(values, Tensor) else values


def _rows(tree: Tree, rows: Array) -> Tree:
    return mapped(lambda each: each[rows], tree)


def _arrays(data: Any) -> tuple[Tree, Tree]:
    try:
        inputs, targets = (_tree(each) for each in data)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"cross_validate: expected data as a pair (X, Y) of arrays, got {type(data).__name__}"
        ) from error
    every = leaves((inputs, targets))
    if any(each.ndim == 0 or len(each) != len(every[0]) for each in every):
        shapes = [[list(each.shape) for each in leaves(tree)] for tree in (inputs, targets)]
        inside, outside = (", ".join(map(str, each)) for each in shapes)
        raise DataError(
            f"cross_validate: inputs of shape {inside} for targets of shape {outside}; the first axes must be equal"
        )
    return inputs, targets


def _tree(values: Any) -> Tree:
    if isinstance(values, tuple):
        return tuple(_tree(each) for each in values)
    if isinstance(values, Mapping):
        return {name: _tree(each) for name, each in values.items()}
    return np.asarray(_array(values))


def _labels(data: Any, targets: Tree) -> Array | None:
    """Return the class of each sample; None where targets are values."""
    if not isinstance(targets, np.ndarray) or targets.ndim > 2 or (targets.ndim == 2 and targets.shape[1] != 1):
        return None
    column = targets.reshape(-1)
    if getattr(data, "classes", None) is not None or column.dtype.kind in "biu" or np.isin(column, (0.0, 1.0)).all():
        return column
    return None


def _parts(folds: int, count: int, labels: Array | None, seed: int) -> Sequence[tuple[Array, Array]]:
    """Return, for each fold, the rows to train on and those to measure on."""
    from sklearn.model_selection import KFold, StratifiedKFold

    rows = np.zeros(count)
    if labels is None:
        return list(KFold(folds, shuffle=True, random_state=seed).split(rows))
    _, sizes = np.unique(labels, return_counts=True)
    if sizes.min() < folds:
        raise DataError(
            f"cross_validate: a class has {sizes.min()} samples, too few for one in each of {folds} folds; use fewer "
            "folds, or stratify=False"
        )
    return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, labels))
