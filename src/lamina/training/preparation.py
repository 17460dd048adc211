"""Model and data as they are when training begins: where, divided, weighed, and tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lamina import random
from lamina.autodiff.node import no_grad
from lamina.autodiff.trees import leaves
from lamina.backends.registry import get_backend
from lamina.dtypes import python_number
from lamina.errors import DataError
from lamina.nn.modes import mode
from lamina.nn.module import Module
from lamina.training.checkpointing.parts import RandomStreams
from lamina.training.evaluation import Loss, evaluation_batch, measure
from lamina.training.history import History
from lamina.training.metrics import MetricFunction
from lamina.training.pairs import Pairs, Samples, split
from lamina.training.sample_arrays import Place, called, check_call
from lamina.training.steps import Step, batch_loss
from lamina.training.streaming import StreamSamples, as_samples
from lamina.training.weighting import loss_of_each, sample_weights

if TYPE_CHECKING:
    from lamina.data.record import Record
    from lamina.random import Generator


@contextmanager
def streams_of(seed: int | None, saved: Record | None) -> Iterator[RandomStreams]:
    """Give three streams of random numbers; an error leaves the default generator where it was."""
    surroundings = random.default_generator()
    before = surroundings.state_dict()
    try:
        streams = RandomStreams(surroundings if seed is None else random.Generator(seed), surroundings)
        if saved is not None:
            streams.begin_as(saved.record("parts").record("random").values)
        yield streams
    except BaseException:
        surroundings.load_state_dict(before)
        raise


def place_of(model: Module, device: str | None) -> Place:
    """Return where a model is to be trained, and whether it has to be moved there."""
    place = Place.of(model)
    return place if device is None else replace(place, device=get_backend(device).name, move=True)


@contextmanager
def moved(model: Module, place: Place, history: History) -> Iterator[None]:
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


def divided(
    data: Any, validation: Any, sample_weight: Any, place: Place, generator: Generator
) -> tuple[Samples, Samples | None]:
    """Return what to train on, with the weights that were given, and what to validate on."""
    samples = as_samples("fit", data, place)
    if sample_weight is not None:
        if not isinstance(samples, Pairs):
            raise DataError("fit: sample_weight is for samples in memory; for a stream there is class_weight")
        weights = sample_weights(sample_weight, len(samples), place.dtype, samples.first.device)
        samples = replace(samples, weights=weights)
    if validation is None:
        return samples, None
    validation = python_number(validation)
    if not isinstance(validation, bool | int | float):
        return samples, as_samples("fit", validation, place, "validation ")
    if not isinstance(samples, Pairs):
        raise DataError("fit: a share of a stream cannot be kept out of training; give validation=(X, Y) or a stream")
    training, held_out = split("fit", samples, float(validation), generator)
    return training, replace(held_out, weights=None)


def _is_weighed(samples: Samples) -> bool:
    return (samples.weigh if isinstance(samples, StreamSamples) else getattr(samples, "weights", None)) is not None


def differentiated(loss: Loss, training: Samples) -> Loss:
    """Return the loss of which steps are made."""
    return loss_of_each(loss) if _is_weighed(training) else loss


def try_first(
    step: Step,
    training: Samples,
    held_out: Samples | None,
    loss: Loss,
    metrics: Mapping[str, MetricFunction],
    batch_size: int,
) -> int:
    """Measure a first batch, so that what does not fit together is noticed before anything has changed.

    Returns how many samples are to be measured at a time.
    """
    first = next(iter(training.batches(batch_size)))
    check_call("fit", step.model, first.inputs)
    for each in leaves(first.inputs) if step.recipe.mixup is not None else ():
        if not each.dtype.floating:
            raise DataError(f"fit: mixup is for inputs that are floats, and these are {each.dtype.name}")
    if _is_weighed(training):
        with mode(step.model, training=False), no_grad():
            batch_loss("fit", step.loss, called(step.model, first.inputs), first)
    tried = first if held_out is None else next(iter(held_out.batches(batch_size)))
    measure(step.model, tried, loss, metrics, batch_size)
    return evaluation_batch(tried.inputs, batch_size)
