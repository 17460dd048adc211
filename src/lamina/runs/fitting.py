"""One training as options describe it: from prepared data and a fresh model to trained weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import lamina as la
from lamina import nn
from lamina.backends.precision import PRECISIONS
from lamina.data import ClassTarget
from lamina.runs.building import build_optimizer, build_schedule
from lamina.runs.option_declaration import OptionError
from lamina.runs.options import TrainingOptions
from lamina.runs.subjects import Prepared
from lamina.runs.subjects.predicting import PredictingSubject
from lamina.training import Callback, Checkpoints, EarlyStopping, History
from lamina.training.fit_arguments import progress_callbacks

COMPILE: dict[str, bool | Literal["auto"]] = {"auto": "auto", "always": True, "never": False}


def fresh_model(prepared: Prepared, options: TrainingOptions) -> nn.Module:
    """Return the network for the data, with weights that the seed chooses, on the device of the options."""
    la.random.seed(options.seed)
    return prepared.subject.build(options).to(options.device)


def fit_model(
    model: nn.Module,
    prepared: Prepared,
    options: TrainingOptions,
    *,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    checkpoint: Checkpoints | None = None,
    resume: bool = False,
) -> History:
    """Train a model as options say and return what happened.

    Parameters
    ----------
    model : Module
    prepared : Prepared
    options : TrainingOptions
    callbacks : iterable of Callback
    progress : bool, default False
        Whether to show how far it is.
    checkpoint : Checkpoints, optional
    resume : bool, default False
        Whether to go on from the latest checkpoint, if there is one.
    """
    subject = prepared.subject
    optimizer = build_optimizer(model, options)
    return la.fit(
        model,
        prepared.training if prepared.varied is None else prepared.varied,
        loss=subject.loss(options),
        optimizer=optimizer,
        epochs=options.epochs,
        batch_size=options.batch_size,
        validation=prepared.validation,
        metrics=subject.metrics(options),
        seed=options.seed,
        early_stopping=_judge(prepared, options),
        callbacks=[*callbacks, *progress_callbacks(progress, subject.unit)],
        progress=False,
        scheduler=build_schedule(optimizer, options),
        clip_norm=options.clip_norm,
        compile=COMPILE[options.compile],
        matmul_precision=PRECISIONS[options.matmul_precision],
        accumulate=options.accumulate,
        l1=options.l1,
        l2=options.l2,
        ema=options.ema,
        mixup=options.mixup,
        max_seconds=options.max_seconds,
        class_weight=class_weight(prepared, options),
        sample_weight=prepared.weights,
        checkpoint=checkpoint,
        resume=resume,
    )


def early_stopping(options: TrainingOptions) -> EarlyStopping | None:
    """Return what judges the epochs; the best weights are kept by whoever trains, whichever way it ends."""
    if not options.patience and options.monitor is None and not options.min_delta:
        return None
    patience = options.patience or options.epochs
    return EarlyStopping(patience, options.min_delta, options.monitor, restore_best=False)


def _judge(prepared: Prepared, options: TrainingOptions) -> EarlyStopping | None:
    """Return the same, if what is to be monitored is recorded."""
    held_out = prepared.validation is not None
    recorded = [f"val_{name}" if held_out else name for name in prepared.subject.metrics(options)]
    known = ["loss", *(["val_loss"] if held_out else []), *recorded]
    if options.monitor is not None and options.monitor not in known:
        raise OptionError("monitor", f"{options.monitor!r} is not recorded; what is: {', '.join(known)}")
    return early_stopping(options)


def class_weight(prepared: Prepared, options: TrainingOptions) -> Any:
    """Return the weights by the numbers of the classes, as `fit` takes them.

    Raises
    ------
    OptionError
        When there are no classes, or none of a name.
    """
    given, subject = options.class_weight, prepared.subject
    if given is None:
        return None
    target = subject.target if isinstance(subject, PredictingSubject) else None
    if not isinstance(target, ClassTarget):
        raise OptionError("class_weight", f"this is a {subject.title}, which has no classes")
    if isinstance(given, str):
        return given
    unknown = [name for name in given if name not in target.classes]
    if unknown:
        raise OptionError("class_weight", f"there is no class {unknown[0]!r}; there are {', '.join(target.classes)}")
    return {number: given.get(name, 1.0) for number, name in enumerate(target.classes)}
