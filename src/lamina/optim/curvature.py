"""What L-BFGS remembers of the last steps, and the direction that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from lamina.errors import CheckpointError, LaminaError
from lamina.functions.products import vecdot
from lamina.primitives.broadcasting import reshape
from lamina.primitives.shaping import concat, part
from lamina.tensor import Tensor, from_data

_LEAST = 1e-10
"""The curvature from which a step counts: the matrix that steps stand for stays positive definite."""


class Pair(NamedTuple):
    """A step, the change of the gradient by it, and the product of both: the curvature met."""

    step: Tensor
    change: Tensor
    curvature: float


@dataclass(frozen=True)
class Memory:
    """What is remembered, of all parameters as one vector.

    Attributes
    ----------
    n_iter, func_evals : int
        Iterations and evaluations of the loss so far.
    gradient : Tensor of shape [n]
        Where the last step began.
    step : Tensor of shape [n]
        The last one.
    pairs : tuple of Pair
        Of earlier steps, the oldest first.
    """

    n_iter: int
    func_evals: int
    gradient: Tensor
    step: Tensor
    pairs: tuple[Pair, ...] = ()

    @classmethod
    def empty(cls, beside: Tensor, size: int) -> Memory:
        """Return what is remembered before the first step."""
        zeros = beside._full((size,), 0)
        return cls(0, 0, zeros, zeros)

    def pairs_at(self, gradient: Tensor, most: int) -> tuple[Pair, ...]:
        """Return the last pairs, with that of the last step, which ended at this gradient."""
        change = gradient - self.gradient
        curvature = dot(change, self.step)
        return (*self.pairs, Pair(self.step, change, curvature))[-most:] if curvature > _LEAST else self.pairs[-most:]

    def to(self, device: str) -> Memory:
        """Return the same on another device."""
        state = {name: x.to(device) if isinstance(x, Tensor) else x for name, x in self.state().items()}
        return self.of_state(state)

    def state(self) -> dict[str, Any]:
        """Return all of it by name, in numbers and tensors."""
        return {
            "n_iter": self.n_iter,
            "func_evals": self.func_evals,
            "gradient": self.gradient,
            "step": self.step,
            "steps": self._stacked([each.step for each in self.pairs]),
            "gradient_changes": self._stacked([each.change for each in self.pairs]),
        }

    def _stacked(self, vectors: list[Tensor]) -> Tensor:
        rows = [reshape(each, shape=(1, *each.shape)) for each in vectors]
        return concat(*rows, axis=0) if rows else self.step._full((0, *self.step.shape), 0)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Self:
        """Return what `state` has been made of."""
        steps, changes = _rows(state["steps"]), _rows(state["gradient_changes"])
        pairs = [Pair(step, change, dot(change, step)) for step, change in zip(steps, changes, strict=True)]
        return cls(state["n_iter"], state["func_evals"], state["gradient"], state["step"], tuple(pairs))

    def like(self, given: Mapping[str, Any]) -> Memory:
        """Return what a loaded state says is remembered, of vectors as those here.

        Raises
        ------
        CheckpointError
            When it says something else; the message lists all of it.
        """
        own, found, problems = self.state(), {}, []
        problems += [f"missing: state.{name}" for name in own if name not in given]
        problems += [f"unexpected: state.{name}" for name in given if name not in own]
        for name in (name for name in own if name in given):
            try:
                found[name] = self._fitting(own[name], given[name])
            except (LaminaError, ValueError, TypeError) as error:
                problems.append(f"unusable: state.{name}: {error}")
        if not problems and found["steps"].shape != found["gradient_changes"].shape:
            problems.append("shape: state.steps and state.gradient_changes differ in length")
        if problems:
            lines = "\n  ".join(problems)
            raise CheckpointError(f"load_state_dict: the state does not fit this LBFGS, unchanged:\n  {lines}")
        return self.of_state(found)

    def _fitting(self, own: Any, given: Any) -> Any:
        if isinstance(own, int):
            if isinstance(given, bool) or not isinstance(given, int) or given < 0:
                raise CheckpointError(f"a count is an integer from 0, got {given!r}")
            return given
        x = from_data(given, None, own.device, own.dtype)._untracked
        if x.ndim != own.ndim or x.shape[-1] != own.shape[-1] or x.dtype is not own.dtype:
            raise CheckpointError(
                f"{list(own.shape)} of {own.dtype.name} in the optimiser, {list(x.shape)} of {x.dtype.name} here"
            )
        return x


def dot(a: Tensor, b: Tensor) -> float:
    """Return the product of two vectors as a number."""
    return vecdot(a, b).item()


def direction(gradient: Tensor, pairs: tuple[Pair, ...]) -> Tensor:
    """Return minus the product of the inverse Hessian that the pairs tell of and the gradient.

    Source: J. Nocedal and S. Wright, "Numerical optimization", 2nd edition, 2006, algorithm 7.4, with equation 7.20.
    """
    found = -gradient
    if not pairs:
        return found
    shares = []
    for step, change, curvature in reversed(pairs):
        shares.append(dot(step, found) * (1.0 / curvature))
        found = found - shares[-1] * change
    found = found * (pairs[-1].curvature / dot(pairs[-1].change, pairs[-1].change))
    for (step, change, curvature), share in zip(pairs, reversed(shares), strict=True):
        found = found + (share - dot(change, found) * (1.0 / curvature)) * step
    return found


def _rows(stacked: Tensor) -> list[Tensor]:
    return [reshape(part(stacked, 0, at, at + 1), shape=stacked.shape[1:]) for at in range(stacked.shape[0])]
