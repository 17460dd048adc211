"""Samples that are read as they are needed: training on a `lamina.data.Stream`, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.autodiff.trees import leaves
from lamina.backends.registry import CPU
from lamina.data.streaming import Stream
from lamina.errors import DataError
from lamina.tensor import Tensor
from lamina.training.pairs import Pairs, Samples, as_pairs
from lamina.training.sample_arrays import Place, Tree

if TYPE_CHECKING:
    from lamina.random import Generator


class StreamOrder(NamedTuple):
    """The order of an epoch of a stream: that of the data when there is no seed."""

    seed: int | None
    epoch: int


@dataclass(frozen=True)
class StreamSamples:
    """A stream as samples: each batch is checked and put where the model is when it is read.

    Attributes
    ----------
    operation : str
        Named in errors.
    stream : lamina.data.Stream
    place : Place
    kind : str
        Which data, such as ``"validation "``, for errors.
    weigh : callable, optional
        Gives the weights of samples from their targets.
    """

    operation: str
    stream: Stream
    place: Place
    kind: str = ""
    weigh: Callable[[Tree], Tensor] | None = None

    def __len__(self) -> int:
        return len(self.stream)

    def order(self, generator: Generator | None, epoch: int) -> StreamOrder:
        """Return the order of an epoch: a seed drawn from the generator, and the epoch."""
        return StreamOrder(None if generator is None else int(generator.integers((), 0, 2**31).item()), epoch)

    def batches(self, batch_size: int, order: StreamOrder | None = None, start: int = 0) -> Iterator[Pairs]:
        """Yield the samples, ``batch_size`` at a time and what is left, from the ``start``-th batch on."""
        seed, epoch = (None, 0) if order is None else order
        read = start * batch_size
        for batch in self.stream.batches(batch_size, seed=seed, epoch=epoch, start=start):
            pairs = as_pairs(self.operation, batch, self.place, self.kind)
            read += len(pairs)
            yield pairs if self.weigh is None else Pairs(pairs.inputs, pairs.targets, self.weigh(pairs.targets))
        if read != len(self):
            raise DataError(
                f"{self.operation}: the {self.kind}stream {self.stream.name!r} gave {read} samples and has {len(self)} "
                "by its length; has its file changed?"
            )


def is_stream(data: Any) -> bool:
    """Tell whether data are read in batches."""
    return isinstance(data, Stream)


def as_samples(operation: str, data: Any, place: Place, kind: str = "") -> Samples:
    """Return data as what can be trained on; a stream stays one. Parameters and errors are those of `as_pairs`."""
    if not is_stream(data):
        return as_pairs(operation, data, place, kind)
    if len(data) == 0:
        raise DataError(f"{operation}: the {kind}stream {data.name!r} is empty; at least one sample is needed")
    return StreamSamples(operation, data, place, kind)


def on_cpu(samples: Samples) -> bool:
    """Tell whether samples are where programs run."""
    if isinstance(samples, StreamSamples):
        return samples.place.device == CPU.name
    trees = (samples.inputs, samples.targets) if isinstance(samples, Pairs) else None
    return trees is not None and all(each._backend is CPU for each in leaves(trees))
