"""The exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from lamina.autodiff.node import no_grad
from lamina.errors import CheckpointError
from lamina.functions.creation import full
from lamina.functions.elementwise import minimum
from lamina.tensor import Tensor
from lamina.variable import Variable


class WeightAverage:
    """The exponential moving average of weights.

    After each step, the ``t``-th counted from 0, ``a = a + (1 - d) * (w - a)`` with ``d = min(decay, (1 + t) / (10 +
    t))``: in the beginning the average reaches less far back, so that the weights before training are soon forgotten.
    All of it is in variables, so it is compiled with the step.

    Parameters
    ----------
    parameters : sequence of Variable
    decay : float
        In (0, 1).

    References
    ----------
    B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on Control and
    Optimization 30, 1992; the decay that grows is that of TensorFlow's ``ExponentialMovingAverage``.
    """

    def __init__(self, parameters: Sequence[Variable], decay: float) -> None:
        self._decay = decay
        self._parameters = list(parameters)
        self._averages = [Variable(each.value._untracked, "average", trainable=False) for each in parameters]
        device = self._parameters[0].device
        self._count = Variable(full((), 0.0, dtype="float64", device=device), "average.count", trainable=False)
        self._applied = False

    def update(self) -> None:
        """Take in the weights after a step."""
        with no_grad():
            count = self._count.value
            rest = 1.0 - minimum((count + 1.0) / (count + 10.0), self._decay)
            for parameter, average in zip(self._parameters, self._averages, strict=True):
                old = average.value
                average.assign(old + rest.astype(old.dtype) * (parameter.value - old))
            self._count.assign(count + 1.0)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the model hold the averages inside, and the weights themselves again afterwards.

        An error inside ends the training: the model then stays as it is.
        """
        self._exchange()
        yield
        self._exchange()

    def keep(self) -> None:
        """Leave the averages in the model."""
        if self._applied:
            return
        for parameter, average in zip(self._parameters, self._averages, strict=True):
            parameter.assign(average.value)

    def _exchange(self) -> None:
        for parameter, average in zip(self._parameters, self._averages, strict=True):
            weights = parameter.value._untracked
            parameter.assign(average.value)
            average.assign(weights)
        self._applied = not self._applied

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state: ``"count"``, and ``"average.0"`` and so on in the order of the parameters.

        The averages are those inside of `applied`, too, where the variables hold the weights.
        """
        held = self._parameters if self._applied else self._averages
        return {"count": self._count.value, **{f"average.{at}": each.value for at, each in enumerate(held)}}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state that `state_dict` returned.

        Raises
        ------
        CheckpointError
            When names, shapes or types do not fit; nothing has changed then.
        """
        variables = {"count": self._count, **{f"average.{at}": each for at, each in enumerate(self._averages)}}
        if state.keys() != variables.keys():
            raise CheckpointError(
                f"load_state_dict: the average of {len(self._averages)} weights has the names {', '.join(variables)}; "
                f"got {', '.join(state)}"
            )
        for name, variable in variables.items():
            if state[name].shape != variable.shape or state[name].dtype is not variable.dtype:
                raise CheckpointError(
                    f"load_state_dict: {name} is {variable.dtype.name}{list(variable.shape)}, "
                    f"got {state[name].dtype.name}{list(state[name].shape)}"
                )
        for name, variable in variables.items():
            variable.assign(state[name].to(variable.device))
