"""`fit`: what a training is asked for, checked before the first step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from lamina import random
from lamina.backends.registry import get_backend
from lamina.dtypes import python_number
from lamina.errors import DataError
from lamina.nn.module import Module
from lamina.optim import Adam, Optimizer
from lamina.training.callbacks import Callback, EarlyStopping, TrainingState
from lamina.training.compiling import check_compile, steps_for
from lamina.training.evaluation import Loss, measure
from lamina.training.history import History
from lamina.training.loop import Loop, Plan, Schedule
from lamina.training.metrics import Metric, MetricFunction, named_metrics
from lamina.training.pairs import Pairs, Place, as_pairs, check_count, split
from lamina.training.steps import Step

if TYPE_CHECKING:
    from lamina.random import Generator


def fit(
    model: Module,
    data: Any,
    *,
    loss: Loss,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    batch_size: int = 32,
    validation: float | Any | None = None,
    metrics: Iterable[Metric] = (),
    seed: int | None = None,
    shuffle: bool = True,
    early_stopping: int | EarlyStopping | None = None,
    callbacks: Iterable[Callback] = (),
    progress: bool | Literal["auto"] = True,
    scheduler: Schedule | None = None,
    clip_norm: float | None = None,
    device: str | None = None,
    compile: bool | Literal["auto"] = "auto",
) -> History:
    """Train a model on samples and return what happened.

    Each epoch deals the samples out in batches; for each batch the loss is differentiated and the optimiser takes
    a step. Everything is checked before the first step.

    Parameters
    ----------
    model : Module
        Trained in place; it ends in the mode, training or evaluation, in which it was.
    data : pair of Tensor or array
        Inputs of shape [n, ...] and targets of shape [n, ...]; a `lamina.data.Dataset` is such a pair. NumPy
        arrays and lists of floats take the type of the model's parameters; tensors must have it.
    loss : callable
        ``loss(outputs, targets)`` gives the mean loss of a batch, such as `lamina.nn.cross_entropy`.
    optimizer : Optimizer, optional
        ``Adam(model.parameters())`` when None.
    epochs, batch_size : int, default 10 and 32
        From 1. The last batch of an epoch holds what is left.
    validation : float or pair, optional
        A share of the samples, between 0 and 1, drawn at random (not by class) and kept out of training; or a
        set of its own. It is measured after each epoch, in evaluation mode.
    metrics : iterable of str or callable
        ``"accuracy"``, ``"mse"``, ``"mae"``, ``"rmse"``, ``"r2"``, or ``metric(outputs, targets)``; measured on
        the validation set and recorded with ``val_`` before the name, on the training set where there is none.
    seed : int, optional
        Chooses the validation share, the order of the samples, and what layers such as `Dropout` draw; nothing is
        drawn from the default generator then. When None, a generator spawned from the default one chooses.
    shuffle : bool, default True
        Whether each epoch takes the samples in a new order.
    early_stopping : int or EarlyStopping, optional
        Stop after so many epochs without a better validation loss (training loss without validation), and put
        the best weights back.
    callbacks : iterable of Callback
        What else to do, in this order.
    progress : bool or "auto", default True
        True shows a bar in a terminal and a line an epoch elsewhere, "auto" only the bar, False nothing.
    scheduler : learning rate schedule, optional
        Advanced after each epoch; one that counts batches is advanced by a callback's ``on_batch_end`` instead.
    clip_norm : float, optional
        Gradients are scaled down so that their norm together is at most this.
    device : str, optional
        Where to train: model, optimiser and data are moved there. When None, where the model is.
    compile : bool or "auto", default "auto"
        Whether the step is compiled, as by `lamina.compile`, and many steps run in one native call; the results are
        the same to rounding. "auto" compiles long trainings on the cpu: from 1000 steps, fewer of large models. If
        that is not possible, as where the loss decides by values or stores something outside of itself in every
        step, it says so in a warning and runs operation by operation, as False always does. True always compiles,
        or raises the error that says why it cannot.

    Returns
    -------
    History
        A mapping from ``"loss"``, ``"val_loss"``, ``"val_accuracy"`` and so on to one value an epoch. After
        Ctrl-C, ``interrupted`` is true and the weights are those after the last whole step.

    Raises
    ------
    DataError, DTypeError, ShapeError, BackendError, TracingError
        When arguments or data cannot be used; model and optimiser are unchanged. An error after the first epoch
        leaves them as after the last whole step.
    TrainingDiverged
        When the loss or a weight becomes NaN or infinite. The best weights so far are put back, by validation
        loss (training loss without validation), those before training if no epoch was whole.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn, optim
    >>> X = la.random.Generator(0).normal((64, 2))
    >>> Y = X.sum(axis=1, keepdims=True)
    >>> la.random.seed(0)
    >>> model = nn.Linear(2, 1)
    >>> optimizer = optim.Adam(model.parameters(), lr=0.1)
    >>> history = la.fit(model, (X, Y), loss=nn.mse_loss, optimizer=optimizer, epochs=20, seed=0, progress=False)
    >>> history["loss"][-1] < 0.01
    True
    """
    epochs, batch_size = check_count("fit", "epochs", epochs), check_count("fit", "batch_size", batch_size)
    _check_kinds(model, loss, optimizer, scheduler)
    _check_clip_norm(clip_norm)
    functions = named_metrics(metrics)
    every = [*_early(early_stopping), *_checked(callbacks)]
    compiled = check_compile(compile)
    history = _new_history(every, functions, validation is not None)
    shown = _shown(progress)
    place = _place(model, device)
    with _streams(seed) as (division, shuffling, layers), random.use_generator(layers):
        training, held_out = _divided(data, validation, place, division)
        order = shuffling if shuffle else None
        with _moved(model, place, history):
            _try(model, training if held_out is None else held_out, loss, functions, batch_size)
            count = -(-len(training) // batch_size)
            chosen = Adam(model.parameters()) if optimizer is None else optimizer
            step = Step(model, chosen, loss, clip_norm)
            steps = steps_for(step, training, batch_size, epochs, compiled)
            plan = Plan(loss, training, held_out, functions, order, scheduler, clip_norm, batch_size, steps)
            state = TrainingState(model, chosen, history, epochs, count, batch_size)
            return Loop(plan, state, every if shown is None else [*every, shown]).run()


# --- what is asked for, checked -------------------------------------------------------------------------------


def _check_kinds(model: Any, loss: Any, optimizer: Any, scheduler: Any) -> None:
    """Refuse names and classes where the thing itself is meant."""
    if not isinstance(model, Module):
        raise DataError(f"fit: the model is {model!r}; derive its class from nn.Module")
    if not callable(loss) or isinstance(loss, type):
        raise DataError(f"fit: loss is {loss!r}; give a function of outputs and targets, such as nn.mse_loss")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise DataError(f"fit: optimizer is {optimizer!r}; make one, as with optim.Adam(model.parameters())")
    if scheduler is not None and not isinstance(scheduler, Schedule):
        raise DataError(f"fit: scheduler is {scheduler!r}; make one, as with optim.StepLR(optimizer, step_size=10)")


def _check_clip_norm(clip_norm: Any) -> None:
    norm = python_number(clip_norm)
    if norm is not None and (isinstance(norm, bool) or not isinstance(norm, int | float) or not norm > 0):
        raise DataError(f"fit: clip_norm is {clip_norm!r}; a norm to clip to is above 0, and None clips nothing")


def _shown(progress: bool | Literal["auto"]) -> Callback | None:
    if progress is False:
        return None
    # Loads what draws in a terminal, which a training without it does without.
    from lamina.training.progress import progress_callback

    return progress_callback(progress)


@contextmanager
def _streams(seed: int | None) -> Iterator[list[Generator]]:
    """Give three streams of random numbers; an error leaves the default generator where it was."""
    source = random.default_generator() if seed is None else random.Generator(seed)
    before = source.state_dict()
    try:
        yield source.spawn(3)
    except BaseException:
        source.load_state_dict(before)
        raise


def _place(model: Module, device: str | None) -> Place:
    place = Place.of("fit", model)
    return place if device is None else replace(place, device=get_backend(device).name, move=True)


@contextmanager
def _moved(model: Module, place: Place, history: History) -> Iterator[None]:
    """Move the model if a device was named; an error before the first whole epoch brings it back."""
    before = model.parameters()[0].device
    if place.move:
        model.to(place.device)
    try:
        yield
    except BaseException:
        if place.move and not history.records:
            model.to(before)
        raise


def _divided(data: Any, validation: Any, place: Place, generator: Generator) -> tuple[Pairs, Pairs | None]:
    samples = as_pairs("fit", data, place)
    if validation is None:
        return samples, None
    validation = python_number(validation)
    if isinstance(validation, bool | int | float):
        return split("fit", samples, float(validation), generator)
    return samples, as_pairs("fit", validation, place, "validation ")


def _early(early_stopping: int | EarlyStopping | None) -> list[Callback]:
    if early_stopping is None:
        return []
    return [early_stopping if isinstance(early_stopping, EarlyStopping) else EarlyStopping(early_stopping)]


def _checked(callbacks: Iterable[Callback]) -> list[Callback]:
    if not isinstance(callbacks, Iterable):
        raise DataError(f"fit: callbacks is {callbacks!r}; give a list of callbacks, as in callbacks=[...]")
    checked = list(callbacks)
    for callback in checked:
        if not isinstance(callback, Callback):
            raise DataError(f"fit: {callback!r} is no callback; derive its class from lamina.training.Callback")
    return checked


def _new_history(callbacks: Sequence[Callback], metrics: Mapping[str, MetricFunction], validated: bool) -> History:
    """Return an empty history that judges epochs as the early stopping does, if there is one."""
    monitor = "val_loss" if validated else "loss"
    recorded = ["loss", *(["val_loss"] if validated else []), *_prefixed(metrics, validated)]
    for callback in callbacks:
        if isinstance(callback, EarlyStopping):
            monitor = callback.monitor or monitor
            if monitor not in recorded:
                raise DataError(
                    f"fit: early stopping monitors {monitor!r}, which is not recorded; what is: {', '.join(recorded)}"
                )
            return History(monitor, callback.direction(monitor) == "max")
    return History(monitor)


def _prefixed(names: Iterable[str], validated: bool) -> list[str]:
    return [f"val_{name}" if validated else name for name in names]


def _try(model: Module, samples: Pairs, loss: Loss, metrics: Mapping[str, MetricFunction], batch_size: int) -> None:
    """Measure a first batch, so that what does not fit together is noticed before anything has changed."""
    measure("fit", model, next(samples.batches(batch_size)), loss, metrics, batch_size)
