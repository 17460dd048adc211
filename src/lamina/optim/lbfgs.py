"""L-BFGS, which asks for the loss several times a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from lamina.autodiff.effects import journal, put_back
from lamina.autodiff.gradients import Gradients
from lamina.autodiff.node import record
from lamina.autodiff.row_gradient import RowGradient
from lamina.backends.thread_state import STATE
from lamina.errors import DataError, DTypeError, GradientError, ShapeError, TracingError
from lamina.optim.base import OptimizerBase
from lamina.optim.curvature import Memory, direction, dot
from lamina.optim.hyperparameters import Check, non_negative, step_count
from lamina.optim.line_search import Point, strong_wolfe
from lamina.optim.parameter_group import Parameters
from lamina.primitives.broadcasting import reshape, sum_
from lamina.primitives.elementwise import abs_
from lamina.primitives.reductions import max_
from lamina.primitives.shaping import concat, part
from lamina.tensor import Tensor
from lamina.variable import Variable

Closure = Callable[[], Tensor]


def _evaluations(owner: str, name: str, value: Any) -> int | None:
    return None if value is None else step_count(owner, name, value)


def _line_search(owner: str, name: str, value: Any) -> str | None:
    if value not in (None, "strong_wolfe"):
        raise DataError(f'{owner}: {name} must be "strong_wolfe" or None, got {value!r}')
    return value  # type: ignore[no-any-return]


class LBFGS(OptimizerBase):
    """L-BFGS: steps by an inverse Hessian that the last steps and the changes of the gradient by them tell of.

    With ``sₖ`` the steps, ``yₖ`` the changes of the gradient and ``ρₖ = 1 / (yₖ · sₖ)``, an iteration is
    ``p = p - t H g``, where ``H`` starts as ``(y · s) / (y · y)`` of the last pair and takes in each pair, the oldest
    first: ``H = (1 - ρₖ sₖ yₖᵀ) H (1 - ρₖ yₖ sₖᵀ) + ρₖ sₖ sₖᵀ``.

    It is for smooth losses of all data, in float64 best: it asks for the loss and its gradient several times a step,
    and so `step` takes the function that computes the loss. Compile that function, not what calls `step`.

    Parameters
    ----------
    params : iterable of Variable
        Parameters of one type, float32 or float64; they are one group.
    lr : float, default 1
        The length ``t`` of a step; with a line search, the first that is tried.
    max_iter : int, default 20
        Iterations in a call of `step`.
    max_eval : int, optional
        Evaluations of the loss in a call of `step`, after which no iteration begins; ``max_iter * 5 // 4`` by default.
    tolerance_grad : float, default 1e-7
        A step ends where no element of the gradient is larger.
    tolerance_change : float, default 1e-9
        A step ends where neither a parameter nor the loss changes by more.
    history_size : int, default 100
        The number of pairs; each takes twice the memory of the parameters.
    line_search_fn : {"strong_wolfe"}, optional
        How to find ``t`` such that the loss is lower and flatter there. Without it each step is ``lr`` long.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range, there are several groups, or the parameters are not distinct
        trainable variables of one type.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([-1.2, 1.0])
    >>> optimizer = la.optim.LBFGS([w], max_iter=60, line_search_fn="strong_wolfe")
    >>> loss = optimizer.step(lambda: (1.0 - w[0]) ** 2 + 100.0 * (w[1] - w[0] ** 2) ** 2)
    >>> round(loss.item(), 3)
    24.2
    >>> la.max(la.abs(w - 1.0)).item() < 1e-3
    True

    Source: D. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
    Programming 45, 1989, algorithm 2.1.
    """

    checks: ClassVar[dict[str, Check]] = {
        "max_iter": step_count,
        "max_eval": _evaluations,
        "tolerance_grad": non_negative,
        "tolerance_change": non_negative,
        "history_size": step_count,
        "line_search_fn": _line_search,
    }

    def __init__(
        self,
        params: Parameters,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        given = {
            "max_iter": max_iter,
            "max_eval": max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, lr, self.checks, given)
        self._memory = Memory.empty(self._params[0], sum(each.size for each in self._params))

    def check_parameters(self, params: list[Variable]) -> None:
        types = list(dict.fromkeys(each.dtype.name for each in params))
        if self.param_groups:
            raise DataError("LBFGS: all parameters are one group, for a step is made of all of them together")
        if types not in (["float32"], ["float64"]):
            raise DTypeError(f"LBFGS: parameters are all float32 or all float64, got {' and '.join(types)}")

    @property
    def state(self) -> dict[str, Any]:
        """What is remembered, of all parameters as one vector: counts, and tensors."""
        return self._memory.state()

    def step(self, closure: Closure) -> Tensor:
        """Update the parameters by up to ``max_iter`` iterations, and return the loss before.

        Where the loss is not a number, a line search takes shorter steps. A step that fails, because the closure raises
        an error for example, changes nothing: all variables that were assigned get back what they held.

        Parameters
        ----------
        closure : callable
            Returns the loss, a tensor without axes, computed from the parameters as they are. It need not call
            ``backward``.

        Raises
        ------
        DTypeError
            When there is no closure, it returns no tensor of floating-point numbers, or a parameter has been frozen.
        ShapeError
            When the loss has axes.
        GradientError
            When the loss depends on none of the parameters.
        TracingError
            Inside of a compiled function: how often the loss is evaluated depends on its values.
        """
        self._check_step(closure)
        with journal() as before:
            try:
                loss, memory = self._minimised(_Objective(closure, self._params))
            except BaseException:
                put_back(before)
                raise
        self._memory = memory
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), **{f"state.{name}": value for name, value in self.state.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        own = {name.removeprefix("state."): value for name, value in state.items() if name.startswith("state.")}
        memory = self._memory.like(own)
        super().load_state_dict({name: value for name, value in state.items() if not name.startswith("state.")})
        self._memory = memory

    # --- how it works ---

    @property
    def _params(self) -> list[Variable]:
        return self.param_groups[0]["params"]  # type: ignore[no-any-return]

    def _check_step(self, closure: Any) -> None:
        if STATE.tracer is not None:
            raise TracingError(
                "LBFGS.step: a compiled function cannot call it, for how often the loss is evaluated depends on its "
                "values; compile the function that computes the loss, and give that to step"
            )
        if not callable(closure):
            given = "gradients" if isinstance(closure, Gradients) else type(closure).__name__
            raise DTypeError(
                f"LBFGS.step: expected a function that computes the loss, which is evaluated several times, got "
                f"{given}; write optimizer.step(lambda: loss_of(model(x), y))"
            )
        for each in self._params:
            if not each.trainable:
                raise DTypeError(f"LBFGS.step: {each.label} has been frozen; make an optimiser of the others")

    def _minimised(self, objective: _Objective) -> tuple[Tensor, Memory]:
        """Run the iterations of a step; return the loss before it and what is remembered then."""
        group, memory = self.param_groups[0], self._memory
        group.follow()
        if memory.step._backend is not self._params[0]._backend:
            memory = memory.to(self._params[0].device)
        lr, max_iter, tolerance = group["lr"].item(), group["max_iter"], group["tolerance_change"]
        max_eval = max_iter * 5 // 4 if group["max_eval"] is None else group["max_eval"]
        with record(False):
            loss, gradient = objective()
            at = Point(0.0, loss.item(), 0.0, gradient)
            iterations, ended = 0, _largest(gradient) <= group["tolerance_grad"]
            while not ended:
                iterations += 1
                pairs = memory.pairs_at(at.gradient, group["history_size"])
                line = _Line(objective, direction(at.gradient, pairs))
                start = Point(0.0, at.value, dot(at.gradient, line.direction), at.gradient)
                standing = line.direction._full(line.direction.shape, 0)
                memory = Memory(memory.n_iter + 1, memory.func_evals, start.gradient, standing, pairs)
                if start.slope >= -tolerance:
                    break
                first = lr if memory.n_iter > 1 else lr * min(1.0, 1.0 / _total(start.gradient))
                if group["line_search_fn"] is not None:
                    width = tolerance / _largest(line.direction)
                    at = strong_wolfe(line, start, first, width, max_eval - objective.count)
                    line.move(at.distance)
                elif iterations < max_iter:
                    at = line(first)
                else:  # nothing asks for the loss there
                    at = start._replace(distance=first)
                    line.move(first)
                memory = replace(memory, step=line.direction * at.distance)
                ended = (
                    iterations == max_iter
                    or objective.count >= max_eval
                    or _largest(at.gradient) <= group["tolerance_grad"]
                    or _largest(memory.step) <= tolerance
                    or abs(at.value - start.value) < tolerance
                )
        return loss, replace(memory, func_evals=memory.func_evals + objective.count)


class _Objective:
    """The loss and its gradient by all parameters as one vector, and how often they were computed."""

    def __init__(self, closure: Closure, variables: list[Variable]) -> None:
        self.closure = closure
        self.variables = variables
        self.count = 0

    def __call__(self) -> tuple[Tensor, Tensor]:
        with record(True):
            loss = self.closure()
            if not isinstance(loss, Tensor):
                raise DTypeError(f"LBFGS.step: the closure returns the loss, a tensor, got {type(loss).__name__}")
            if loss.shape != ():
                raise ShapeError(f"LBFGS.step: the loss has shape {list(loss.shape)}; reduce it to a scalar")
            grads = loss.backward()
        if not any(each in grads for each in self.variables):
            raise GradientError("LBFGS.step: the loss depends on none of this optimiser's parameters")
        self.count += 1
        found = [_dense(grads.wrt(each)) for each in self.variables]
        return loss._untracked, concat(*[reshape(each, shape=(each.size,)) for each in found], axis=0)


class _Line:
    """The parameters along a direction from where they are."""

    def __init__(self, objective: _Objective, direction: Tensor) -> None:
        self.objective = objective
        self.direction = direction
        self.origin = [each._untracked for each in objective.variables]

    def move(self, distance: float) -> None:
        """Assign the parameters at a distance."""
        stop = 0
        for variable, origin in zip(self.objective.variables, self.origin, strict=True):
            begin, stop = stop, stop + origin.size
            step = reshape(part(self.direction, 0, begin, stop), shape=origin.shape)
            variable.assign(origin + step * distance)

    def __call__(self, distance: float) -> Point:
        """Assign the parameters at a distance, and return the point there; one without a loss is too high."""
        self.move(distance)
        loss, gradient = self.objective()
        value = loss.item()
        return Point(distance, math.inf if math.isnan(value) else value, dot(gradient, self.direction), gradient)


def _dense(g: Tensor) -> Tensor:
    return g.dense() if isinstance(g, RowGradient) else g


def _largest(x: Tensor) -> float:
    return max_(abs_(x), axes=(0,), keepdims=False).item()


def _total(x: Tensor) -> float:
    return sum_(abs_(x), axes=(0,), keepdims=False).item()
