"""`fit`: what a training is asked for, and how it is set up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

from lamina import random
from lamina.backends import precision
from lamina.nn.module import Module
from lamina.optim import Adam, LRScheduler, Optimizer
from lamina.training.callbacks import Callback, EarlyStopping, TrainingState
from lamina.training.checkpointing.configuration import contents, described, schedule_settings
from lamina.training.checkpointing.folder import Checkpoints, Store, opened
from lamina.training.checkpointing.parts import LooseVariables, RandomStreams
from lamina.training.checkpointing.saving import Saving
from lamina.training.compiling import Work, check_compile, machinery
from lamina.training.evaluation import Loss
from lamina.training.fit_arguments import (
    SchedulePer,
    check_kinds,
    checked_callbacks,
    checked_recipe,
    new_history,
    progress_callbacks,
)
from lamina.training.history import History
from lamina.training.loop import Loop, Plan, Schedule
from lamina.training.metrics import Metric, named_metrics
from lamina.training.moving_average import WeightAverage
from lamina.training.numbers import check_count, check_number
from lamina.training.preparation import differentiated, divided, moved, place_of, streams_of, try_first
from lamina.training.scheduling import ScheduledSteps, rate_table
from lamina.training.steps import Step
from lamina.training.weighting import ClassWeight, weighed

if TYPE_CHECKING:
    from lamina.data.record import Record
    from lamina.files import PathLike


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
    schedule_per: SchedulePer = "epoch",
    class_weight: ClassWeight | None = None,
    sample_weight: Any = None,
    mixup: float | None = None,
    accumulate: int = 1,
    l1: float = 0.0,
    l2: float = 0.0,
    penalize_biases: bool = False,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    ema: float | None = None,
    max_seconds: float | None = None,
    checkpoint: PathLike | Checkpoints | None = None,
    resume: bool = False,
    device: str | None = None,
    compile: bool | Literal["auto"] = "auto",
    matmul_precision: precision.Precision | None = None,
) -> History:
    """Train a model on samples and return what happened.

    Each epoch deals the samples out in batches; for each batch the loss is differentiated and the optimiser takes
    a step. Everything is checked before the first step.

    Parameters
    ----------
    model : Module
        Trained in place; it ends in the mode, training or evaluation, in which it was.
    data : pair ``(inputs, targets)``, or Stream
        Arrays of shape [n, ...]; a `lamina.data.Dataset` is such a pair. NumPy arrays and lists of floats take the
        type of the model's parameters; tensors must have it. Several inputs are a tuple, with which the model is
        called as arguments, ``model(*inputs)``, or a dict, as arguments by name, ``model(**inputs)``; several
        targets are a tuple or a dict too, and reach the loss as they are. A list is one array. A
        `lamina.data.Stream` is read in batches, so it may be larger than memory.
    loss : callable
        ``loss(outputs, targets)`` gives the mean loss of a batch, such as `lamina.nn.cross_entropy`, from what the
        model returns.
    optimizer : Optimizer, optional
        ``Adam(model.parameters())`` when None.
    epochs, batch_size : int, default 10 and 32
        From 1. The last batch of an epoch holds what is left.
    validation : float, pair or Stream, optional
        A share of the samples, between 0 and 1, drawn at random (not by class) and kept out of training; or a
        set of its own. It is measured after each epoch, in evaluation mode, as a whole: metrics are those of all its
        samples, not means over batches. Weights, penalties and mixing are for training only.
    metrics : iterable of str or callable
        Names in `lamina.training.metrics`, such as ``"accuracy"``, or ``metric(outputs, targets)``; measured on
        the validation set and recorded with ``val_`` before the name, on the training set where there is none.
    seed : int, optional
        Chooses the validation share, the order of the samples, what is mixed, and what layers such as `Dropout`
        draw; nothing is drawn from the default generator then. When None, a generator spawned from the default one
        chooses.
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
        Advanced after each epoch, or each step.
    schedule_per : {"epoch", "step"}, default "epoch"
        What the schedule counts: ``"step"`` for one that counts batches, such as `lamina.optim.OneCycleLR`
        (with ``cycle_momentum=False`` its steps are compiled).
    class_weight : dict, array or "balanced", optional
        How much the samples of each class count, by its number; classes that a dict leaves out count 1.
        ``"balanced"`` gives each class the same weight in total, ``n / (classes * count)``.
    sample_weight : array of shape [n], optional
        How much each sample counts, from 0. It is multiplied by the weight of its class, and all are scaled to a
        mean of one, so that a weight of 2 is as two samples and the loss of a batch is ``mean(weight * loss)``. The
        loss function must take ``reduction="none"``.
    mixup : float, optional
        ``alpha``: each batch is mixed with itself in another order, ``s * x + (1 - s) * x'`` with ``s`` from
        Beta(alpha, alpha), and so are targets that are floats; for labels the losses are mixed.
    accumulate : int, default 1
        So many batches make one step, the same as a batch so many times larger takes, with the memory of one. What is
        drawn, and layers that look at a whole batch, see the small ones.
    l1, l2 : float, default 0.0
        ``l1 * sum(|w|) + l2 / 2 * sum(w**2)`` of the weights, parameters with two axes or more, is added to what is
        differentiated; the loss that is recorded is without.
    penalize_biases : bool, default False
        Whether all parameters are penalised.
    clip_norm : float, optional
        Gradients are scaled down so that their norm together is at most this.
    clip_value : float, optional
        Each element of the gradients is limited to this magnitude, before the norm is.
    ema : float, optional
        Decay, such as 0.999, of an exponential moving average of the weights, with which the model is evaluated and
        ends. It reaches less far back in the beginning: ``min(ema, (1 + step) / (10 + step))``.
    max_seconds : float, optional
        Stop after the step in which so much time is up, in the middle of an epoch if it comes then. What compiling
        takes does not count.
    checkpoint : str, path or Checkpoints, optional
        A folder in which the state of the training is kept, now and then and when it ends, so that it can go on after
        an interruption; `Checkpoints` says how often, and how many to keep.
    resume : bool, default False
        Go on from the newest checkpoint in that folder, or begin where there is none. Model, optimiser, data and
        options are given as the first time; ``epochs`` may be more. The training ends with the same bits as one that
        was never interrupted.
    device : str, optional
        Where to train: model, optimiser and data are moved there. When None, where the model is.
    compile : bool or "auto", default "auto"
        Whether the step is compiled, as by `lamina.compile`, and many steps run in one native call; the results are
        the same to rounding. "auto" compiles long trainings on the cpu: from 1000 steps, fewer where a step has much
        arithmetic. If that is not possible, as where the loss decides by values or stores something outside of itself
        in every step, it says so in a warning and runs operation by operation, as False always does. True always
        compiles, or raises the error that says why it cannot.
    matmul_precision : {"float32", "bfloat16"}, optional
        How precisely float32 products are computed in training and evaluation, see `lamina.matmul_precision`. When
        None, as it is set.

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
    CheckpointError
        When the folder of checkpoints holds some already and ``resume`` is false; when another training writes in it;
        when none in it is whole, or it is of another training. Model and optimiser are unchanged.
    TrainingDiverged
        When the loss or a weight becomes NaN or infinite. The weights of the best epoch so far, `History.best`, are
        put back, those before training if no epoch was whole.

    References
    ----------
    mixup: H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, ICLR 2018.

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
    accumulate = check_count("fit", "accumulate", accumulate)
    check_kinds(model, loss, optimizer, scheduler, schedule_per)
    recipe = checked_recipe(model, mixup=mixup, l1=l1, l2=l2, penalize_biases=penalize_biases,
                            clip_norm=clip_norm, clip_value=clip_value)  # fmt: skip
    decay = check_number("fit", "ema", ema, "a decay lies between 0 and 1, and None averages nothing", 0.0, 1.0)
    functions = named_metrics(metrics)
    listeners = checked_callbacks(early_stopping, callbacks, max_seconds)
    compiled = check_compile(compile)
    products = precision.matmul_precision(matmul_precision or precision.get_matmul_precision())
    history = new_history(listeners, functions, validation is not None)
    listeners += progress_callbacks(progress)
    place = place_of(model, device)
    with (
        opened(checkpoint, resume) as (store, saved),
        streams_of(seed, saved) as streams,
        random.use_generator(streams.layers),
        products,
    ):
        training, held_out = divided(data, validation, sample_weight, place, streams.division)
        training = weighed(training, class_weight, place.dtype)
        with moved(model, place, history):
            chosen = Adam(model.parameters()) if optimizer is None else optimizer
            average = None if decay is None else WeightAverage(model.parameters(), decay)
            per_epoch = -(-len(training) // (batch_size * accumulate))
            counting = scheduler if schedule_per == "step" and isinstance(scheduler, LRScheduler) else None
            rates = None if counting is None else rate_table(counting, per_epoch)
            if counting is not None and rates is None and compiled == "auto":
                compiled = False  # a setting of the optimiser changes in every step
            step = Step(model, chosen, differentiated(loss, training), recipe, average, rates)
            measured_batch = try_first(step, training, held_out, loss, functions, batch_size)
            measured = len(training) * bool(functions) if held_out is None else len(held_out)
            planned = epochs if saved is None else saved.whole("planned", least=1)
            work = Work(training, measured, measured_batch, batch_size, planned, accumulate)
            made = machinery(step, work, compiled)
            steps = made.steps if counting is None else ScheduledSteps(made.steps, counting, rates, per_epoch)
            order = streams.shuffling if shuffle else None
            plan = Plan(loss, training, held_out, functions, order, scheduler, schedule_per, batch_size, measured_batch,
                        replace(made, steps=steps), average, recipe.clip_norm)  # fmt: skip
            state = TrainingState(model, chosen, history, epochs, per_epoch, batch_size * accumulate)
            saving = None
            if store is not None:
                settings = {"class_weight": class_weight, "accumulate": accumulate, "recipe": asdict(recipe),
                            "ema": decay, "seed": seed, "shuffle": shuffle, "compile": compiled,
                            "device": place.device,
                            "matmul_precision": precision.get_matmul_precision()}  # fmt: skip
                saving = _saving(store, saved, planned, streams, plan, state, settings)
            return Loop(plan, state, listeners, saving).run()


def _saving(
    store: Store,
    saved: Record | None,
    planned: int,
    streams: RandomStreams,
    plan: Plan,
    state: TrainingState,
    settings: Mapping[str, Any],
) -> Saving:
    """Return what keeps the training in checkpoints, once it is seen that it goes on as it was begun."""
    model, optimizer, scheduler = state.model, state.optimizer, plan.scheduler
    configuration = described(
        model=model, optimizer=optimizer, schedule=schedule_settings(scheduler), schedule_per=plan.schedule_per,
        loss=plan.loss, training=contents(plan.training), validation=contents(plan.held_out),
        metrics=list(plan.metrics), batch_size=plan.batch_size, **settings,
    )  # fmt: skip
    parts = {"model": model, "schedule": scheduler, "optimizer": optimizer, "average": plan.average,
             "updates": optimizer._compiled_update, "others": LooseVariables(model, plan.loss, optimizer) or None,
             **plan.machinery.parts}  # fmt: skip
    present = {name: part for name, part in parts.items() if part is not None}
    saving = Saving(store, configuration, planned, streams, present, saved)
    saving.check()
    return saving
