"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.creation import asarray
from lamina.functions.manipulation import concat, reshape
from lamina.tensor import Tensor
from lamina.variable import Variable

Each = TypeVar("Each", bound=Tensor)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return the elements of all parameters, one after the other, as one vector, which is tracked.

    Parameters
    ----------
    parameters : iterable of Variable or Tensor
        Of one type, such as ``model.parameters()``, or their gradients.

    Raises
    ------
    DTypeError, DataError
        When there are things that are no tensors, none at all, or of several types.

    Examples
    --------
    >>> from lamina import nn
    >>> nn.parameters_to_vector(nn.Linear(3, 2, init="ones").parameters()).shape
    (8,)
    """
    each = _checked("parameters_to_vector", parameters, Tensor)
    return concat([reshape(values, (-1,)) for values in each])


def vector_to_parameters(vector: Tensor, parameters: Iterable[Variable]) -> None:
    """Assign the elements of a vector to parameters, one after the other: what `parameters_to_vector` undoes.

    Parameters
    ----------
    vector : Tensor of shape [n]
        With as many elements as all parameters together.
    parameters : iterable of Variable

    Raises
    ------
    DTypeError, DataError, ShapeError
        As in `parameters_to_vector`, and when the vector has another length. No parameter has changed then.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.Linear(2, 1)
    >>> nn.vector_to_parameters(la.asarray([1.0, 2.0, 3.0]), layer.parameters())
    >>> layer.weight.value, layer.bias.value
    (Tensor([[1., 2.]], shape=[1, 2], dtype=float32), Tensor([3.], shape=[1], dtype=float32))
    """
    each, values = _checked("vector_to_parameters", parameters, Variable), asarray(vector)
    total = sum(variable.size for variable in each)
    if values.shape != (total,):
        raise ShapeError(
            f"vector_to_parameters: a vector of shape {list(values.shape)} for parameters of {total} elements; "
            f"expected [{total}]"
        )
    start = 0
    for variable in each:
        part = reshape(values[start : start + variable.size], variable.shape)
        variable.assign(part.astype(variable.dtype))
        start += variable.size


def _checked(caller: str, parameters: Iterable[Each], kind: type[Each]) -> Sequence[Each]:
    each = list(parameters)
    wrong = [given for given in each if not isinstance(given, kind)]
    if wrong:
        expected = "variables" if kind is Variable else "tensors"
        raise DTypeError(f"{caller}: expected {expected}, such as model.parameters(), got {type(wrong[0]).__name__}")
    if not each:
        raise DataError(f"{caller}: there are no parameters")
    kinds = {given.dtype.name for given in each} | {given.device for given in each}
    if len(kinds) > 2:
        raise DataError(f"{caller}: the parameters are of several types or devices: {', '.join(sorted(kinds))}")
    return each
