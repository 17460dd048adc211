"""Models that are given their parameters in the call, and the parameters of many models as one: ensembles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamina.autodiff.effects import standing_for
from lamina.backends.thread_state import STATE
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.creation import asarray
from lamina.functions.manipulation import stack
from lamina.nn.module import Module
from lamina.nn.tree import find, unwrapped, walk
from lamina.primitives.operand import Operand
from lamina.tensor import Tensor
from lamina.variable import Variable


def functional_call(model: Callable[..., Any], parameters: Mapping[str, Any], /, *args: Any, **kwargs: Any) -> Any:
    """Return ``model(*args, **kwargs)`` as if its variables held other values.

    Gradients flow to the values given. The model itself stays as it is: what it assigns to a variable that is given,
    such as running statistics, is forgotten; `stateless_call` returns it. While it runs no other thread may use the
    model.

    Parameters
    ----------
    model : Module
    parameters : mapping of str to Tensor
        Values of parameters and buffers by name, as in `Module.state_dict`, in the shapes of the model. A variable that
        is not named stands for itself.
    *args, **kwargs
        What the model is called with.

    Raises
    ------
    DataError, ShapeError, DTypeError
        When the model has no variable of a name, or a value has another shape or is no number.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> model = nn.Linear(2, 1)
    >>> la.functional_call(model, {"weight": la.ones((1, 2)), "bias": la.zeros(1)}, la.asarray([3.0, 4.0]))
    Tensor([7.], shape=[1], dtype=float32)

    Sixteen networks as one:

    >>> stacked = la.stack_module_state([nn.Linear(2, 1) for _ in range(16)])
    >>> ensemble = la.vmap(lambda p, x: la.functional_call(model, p, x), in_axes=(0, None))
    >>> ensemble(stacked, la.ones((5, 2))).shape
    (16, 5, 1)

    Source: ``torch.func.functional_call``, which has the same name, and puts what the model assigns into the mapping.
    """
    variables = _named("functional_call", model, parameters)
    with standing_for(_given("functional_call", variables, parameters)):
        return model(*args, **kwargs)


def stateless_call(
    model: Callable[..., Any], state: Mapping[str, Any], /, *args: Any, **kwargs: Any
) -> tuple[Any, dict[str, Tensor]]:
    """Return what `functional_call` returns, and what the variables that were given hold after the call.

    Parameters
    ----------
    model, state, *args, **kwargs
        As those of `functional_call`.

    Returns
    -------
    result
        What the model returns.
    dict of str to Tensor
        Under the names of ``state``: what the model assigned, and no gradient flows to it, or else what was given.

    Raises
    ------
    DataError, ShapeError, DTypeError
        When the model has no variable of a name, or a value has another shape or is no number.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> model = nn.BatchNorm1d(2)
    >>> _, state = la.stateless_call(model, model.state_dict(), la.ones((8, 2)))
    >>> state["running_mean"], model.running_mean.value
    (Tensor([0.1, 0.1], shape=[2], dtype=float32), Tensor([0., 0.], shape=[2], dtype=float32))

    Source: ``Model.stateless_call`` of Keras.
    """
    variables = _named("stateless_call", model, state)
    given = _given("stateless_call", variables, state)
    with standing_for(given):
        result = model(*args, **kwargs)
        after = {place: (variable._snapshot, given[variable]) for place, variable in variables.items()}
    return result, {place: now if now is before else now._untracked for place, (now, before) in after.items()}


def _named(name: str, model: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Variable]:
    """Return the variables of a model for which there are values."""
    if not isinstance(values, Mapping):
        raise DTypeError(
            f"{name}: expected a mapping of names to tensors, got {type(values).__name__}; give what "
            "state_dict() returns"
        )
    variables: dict[str, Variable] = {}
    for place in values:
        variable = find(model, place)
        if variable is None:
            known = ", ".join(each for each, held in walk(_module(model)) if isinstance(held, Variable))
            raise DataError(f"{name}: the model has no variable {place!r}; it has {known or 'none'}")
        variables[place] = variable
    return variables


def _given(name: str, variables: Mapping[str, Variable], values: Mapping[str, Any]) -> dict[Variable, Tensor]:
    """Return what each variable stands for, as a tensor of the trace if there is one."""
    given: dict[Variable, Tensor] = {}
    for place, variable in variables.items():
        value = values[place]
        tensor = value._snapshot if isinstance(value, Operand) else asarray(value)
        if tensor.shape != variable.shape:
            raise ShapeError(
                f"{name}: {place} has shape {list(variable.shape)} in the model and {list(tensor.shape)} here; "
                "la.vmap maps over an axis in front"
            )
        given[variable] = tensor
    if STATE.tracer is None:
        return given
    return dict(zip(given, STATE.tracer.lift(name, tuple(given.values())), strict=True))


def stack_module_state(models: Sequence[Module]) -> dict[str, Variable]:
    """Return the parameters and buffers of models that are built alike, those of a name as one variable.

    Parameters
    ----------
    models : sequence of Module

    Returns
    -------
    dict of str to Variable
        Under the names of `Module.state_dict`, each with a new first axis for the models. What is trainable in the
        first model is trainable; the models' own variables are not changed by it.

    Raises
    ------
    DataError
        When there are no models, or names, shapes or types differ.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn, optim
    >>> stacked = la.stack_module_state([nn.Linear(3, 2) for _ in range(4)])
    >>> stacked["weight"].shape, stacked["weight"].trainable
    ((4, 2, 3), True)
    >>> optimizer = optim.Adam(stacked.values(), lr=0.01)

    A model of them, later:

    >>> nn.Linear(3, 2).load_state_dict({name: value[1] for name, value in stacked.items()})
    Unmatched(missing=[], unexpected=[])

    Source: ``torch.func.stack_module_state``, which returns parameters and buffers apart.
    """
    if not models:
        raise DataError("stack_module_state: there are no models; give one or more that are built alike")
    states = [_module(model).state_dict() for model in models]
    forms = [{name: (list(each.shape), each.dtype.name) for name, each in state.items()} for state in states]
    for number, form in enumerate(forms):
        for name in forms[0].keys() | form.keys():
            if form.get(name) != forms[0].get(name):
                raise DataError(
                    f"stack_module_state: {name} is {forms[0].get(name)} in the first model and {form.get(name)} in "
                    f"model {number}; stack models that are built alike"
                )
    variables = {name: each for name, each in walk(_module(models[0])) if isinstance(each, Variable)}
    return {
        name: Variable(stack([state[name] for state in states]), name, trainable=variables[name].trainable)
        for name in states[0]
    }


def _module(model: Any) -> Module:
    found = unwrapped(model)
    if not isinstance(found, Module):
        raise DTypeError(f"expected a Module, got {type(model).__name__}")
    return found
