"""What a model answers, and how good that is, without changing it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lamina.autodiff.node import no_grad
from lamina.autodiff.trees import leaves, with_leaves
from lamina.errors import DataError, ShapeError
from lamina.functions.manipulation import concat
from lamina.nn.modes import mode
from lamina.tensor import Tensor
from lamina.training.metrics import MeanMetric, Metric, MetricFunction, named_metrics
from lamina.training.numbers import check_count
from lamina.training.pairs import Pairs, Samples
from lamina.training.sample_arrays import Place, Tree, as_inputs, called, check_call, is_rows
from lamina.training.streaming import as_samples

if TYPE_CHECKING:
    from lamina.nn.module import Module

Loss = Callable[[Any, Any], Tensor]

# Without gradients to keep, larger batches are quicker and still small: of rows so many, of images and sequences,
# whose activations are large, so many times what a step takes.
EVALUATION_BATCH = 1024
EVALUATION_STEPS = 4


def evaluation_batch(inputs: Tree, batch_size: int) -> int:
    """Return how many samples to measure at a time, by some of them and by how many a step takes."""
    most = EVALUATION_BATCH if is_rows(inputs) else min(EVALUATION_STEPS * batch_size, EVALUATION_BATCH)
    return max(batch_size, most)


def scalar_loss(operation: str, value: Any) -> Tensor:
    """Return the loss of a batch, if it is one number that can be differentiated."""
    if not isinstance(value, Tensor):
        raise DataError(f"{operation}: the loss function gave {type(value).__name__}; it must give a Tensor")
    if value.shape != ():
        raise ShapeError(
            f"{operation}: the loss function gave shape {list(value.shape)}; it must give one number, "
            'as with reduction="mean"'
        )
    return value


Forward = Callable[["Module", Loss | None, Pairs], tuple[Any, Tensor | None]]
"""What gives the outputs of a batch, and its loss if there is one to measure."""


def answer(model: Module, loss: Loss | None, batch: Pairs) -> tuple[Any, Tensor | None]:
    """Return the outputs of a batch, and its loss if there is one to measure."""
    outputs = called(model, batch.inputs)
    return outputs, None if loss is None else scalar_loss("fit", loss(outputs, batch.targets))


def measure(
    model: Module,
    samples: Samples,
    loss: Loss | None,
    metrics: Mapping[str, MetricFunction],
    batch: int,
    forward: Forward = answer,
) -> dict[str, float]:
    """Return the mean loss and the metrics over all samples, the model in evaluation mode.

    For metrics the outputs of all samples are kept, and their targets, but for those that are means; the inputs are
    not.
    """
    means = {name: metric for name, metric in metrics.items() if isinstance(metric, MeanMetric)}
    others = {name: metric for name, metric in metrics.items() if name not in means}
    total, outputs, targets, sums = 0.0, [], [], dict.fromkeys(means, 0.0)
    with mode(model, training=False), no_grad():
        for each in samples.batches(batch):
            output, value = forward(model, loss, each)
            if value is not None:
                total += value.item() * len(each)
            for name, mean in means.items():
                sums[name] += mean.of_batch(output, each.targets) * len(each)
            if others:
                outputs.append(output)
                targets.append(each.targets)
    measured = {} if loss is None else {"loss": total / len(samples)}
    found, known = (joined(outputs), joined(targets)) if others else (None, None)
    for name, metric in metrics.items():
        if isinstance(metric, MeanMetric):
            measured[name] = metric.finish(sums[name] / len(samples))
        elif found is not None and known is not None:
            measured[name] = metric(found, known)
    return measured


def evaluate(
    model: Module,
    data: Any,
    *,
    loss: Loss | None = None,
    metrics: Iterable[Metric] = (),
    batch_size: int = EVALUATION_BATCH,
) -> dict[str, float]:
    """Return the loss and the metrics of a model on data, in evaluation mode and without gradients.

    Parameters
    ----------
    model : Module
        Its mode is as before afterwards.
    data : pair, or Stream
        Inputs and targets, as `fit` takes them.
    loss : callable, optional
        ``loss(outputs, targets)``; its mean over the samples is recorded as ``"loss"``.
    metrics : iterable of str or callable
        Names in `lamina.training.metrics`, such as ``"accuracy"`` or ``"r2"``, or ``metric(outputs, targets)``.
    batch_size : int, default 1024
        How many samples at a time.

    Raises
    ------
    DataError, DTypeError, BackendError
        When the data cannot be used; see `fit`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> from lamina.training import evaluate
    >>> X = la.asarray([[-1.0], [2.0]])
    >>> evaluate(nn.Identity(), (X, la.asarray([0, 1])), metrics=["accuracy"])
    {'accuracy': 1.0}
    """
    functions = named_metrics(metrics)
    batch = check_count("evaluate", "batch_size", batch_size)
    if loss is None and not functions:
        raise DataError("evaluate: nothing to measure; give a loss or metrics")
    samples = as_samples("evaluate", data, Place.of(model))
    if isinstance(samples, Pairs):
        check_call("evaluate", model, samples.inputs)
    return measure(model, samples, loss, functions, batch)


def predict(model: Module, inputs: Any, *, batch_size: int = EVALUATION_BATCH) -> Any:
    """Return the outputs of a model for all inputs, in evaluation mode and without gradients.

    Parameters
    ----------
    model : Module
        Its mode is as before afterwards.
    inputs : Tensor or array of shape [n, ...], or a tuple or dict of them
        As `fit` takes them: the model is called with a tuple as arguments, with a dict as arguments by name.
    batch_size : int, default 1024
        How many samples at a time.

    Returns
    -------
    Tensor
        Of shape [n, ...]; where the model returns a tuple, list or dict of tensors, the same of them.

    Raises
    ------
    DataError, DTypeError, BackendError
        When the inputs cannot be used; see `fit`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> from lamina.training import predict
    >>> predict(nn.Linear(3, 2), la.zeros((5, 3))).shape
    (5, 2)
    """
    batch = check_count("predict", "batch_size", batch_size)
    samples = Pairs(as_inputs("predict", inputs, Place.of(model), "inputs"), ())
    samples.check("predict")
    check_call("predict", model, samples.inputs)
    with mode(model, training=False), no_grad():
        return joined([called(model, each.inputs) for each in samples.batches(batch)])


def joined(trees: list[Any]) -> Any:
    """Return outputs or targets of batches, one after the other, as those of all samples."""
    if len(trees) == 1:
        return trees[0]
    return with_leaves(trees[0], map(concat, map(list, zip(*map(leaves, trees), strict=True))))
