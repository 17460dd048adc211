"""A compiled function in place of the function: inside of models, copied, pickled, asked for its attributes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim


@la.compile
def doubled(x: la.Tensor) -> la.Tensor:
    """Return twice as much."""
    return x * 2.0


def tripled(x: la.Tensor) -> la.Tensor:
    return x * 3.0


class Squares:
    @la.compile
    def of(self, x: la.Tensor) -> la.Tensor:
        return x * x


class Network(nn.Module):
    def __init__(self) -> None:
        self.first = la.compile(nn.Linear(3, 4))
        self.rest = [la.compile(nn.Sequential(nn.ReLU(), nn.Linear(4, 2)))]

    def __call__(self, x: la.Tensor) -> la.Tensor:
        return self.rest[0](self.first(x))


def assert_same(a: la.Tensor, b: la.Tensor) -> None:
    np.testing.assert_array_equal(a.numpy(), b.numpy())


# --- inside of a model ---


NAMES = ["first.weight", "first.bias", "rest.0.1.weight", "rest.0.1.bias"]


def test_a_compiled_layer_is_part_of_the_model_it_stands_in() -> None:
    model = Network()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert list(model.state_dict()) == NAMES
    assert [name for name, _ in model.named_children()] == ["first", "rest.0"]
    assert model.modules()[1] is model.first.__wrapped__
    assert "(first): Linear(in_features=3, out_features=4, bias=True)" in repr(model)


def test_a_compiled_layer_takes_part_in_what_is_done_to_the_model() -> None:
    model, x = Network(), la.ones((2, 3))
    before = model(x)
    model.load_state_dict({name: value * 0.0 for name, value in model.state_dict().items()})
    assert (model(x).numpy() == 0.0).all()
    assert (before.numpy() != 0.0).any()
    model.eval()
    assert not model.first.training
    optim.SGD(model.parameters(), lr=0.1).step((model(x) - 1.0).sum().backward())
    assert (model(x).numpy() != 0.0).any()


def test_a_compiled_layer_is_a_layer_of_a_sequential_model() -> None:
    model = nn.Sequential(la.compile(nn.Linear(2, 3)), la.tanh, la.compile(la.exp))
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    assert "(0): Linear(in_features=2, out_features=3, bias=True)" in repr(model)
    assert model.summary((4, 2)).parameters == 9


def test_a_function_that_wraps_no_module_is_no_part_of_a_model() -> None:
    model = nn.Sequential(la.compile(tripled))
    model.other = la.compile(model)  # type: ignore[attr-defined]
    model.more = la.compile(model.other)  # type: ignore[attr-defined]
    assert model.modules() == [model]


# --- attributes ---


def test_what_a_model_has_its_compiled_function_has_too() -> None:
    model = nn.Linear(3, 2)
    compiled = la.compile(model)
    assert compiled.parameters() == model.parameters()
    assert list(compiled.state_dict()) == ["weight", "bias"]
    assert compiled.weight is model.weight
    model.eval()
    assert compiled.training is False
    compiled.train()
    assert model.training


def test_what_is_set_on_a_compiled_model_is_set_on_the_model() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    compiled, x = la.compile(model), la.ones((4, 3))
    compiled(x)
    compiled.training = False
    assert model.training is False
    compiled.eval()
    np.testing.assert_allclose(compiled(x).numpy(), model(x).numpy(), rtol=1e-6)
    compiled.scale = 2.0
    assert model.scale == 2.0  # type: ignore[attr-defined]
    del compiled.scale
    assert not hasattr(model, "scale")


def test_what_is_set_on_a_compiled_object_takes_effect() -> None:
    class Scaled:
        factor = 1.0

        def __call__(self, x: la.Tensor) -> la.Tensor:
            return x * self.factor

    compiled = la.compile(Scaled())
    for factor in (2.0, 3.0):
        compiled.factor = factor
        assert compiled(la.asarray([1.0])).item() == factor


def test_what_belongs_to_the_compiled_function_itself_is_not_set() -> None:
    compiled = la.compile(nn.Linear(3, 2))
    for name in ("repeat", "traces", "explain"):
        with pytest.raises(AttributeError, match=f"'{name}' of a compiled function cannot be changed"):
            setattr(compiled, name, None)

    class Steps:
        @la.compile
        def step(self, x: la.Tensor) -> la.Tensor:
            return x

    with pytest.raises(AttributeError, match="set it on the object"):
        Steps().step.training = False


def test_a_compiled_function_has_the_name_the_text_and_the_attributes_of_the_function() -> None:
    def function(x: la.Tensor) -> la.Tensor:
        """Return the same."""
        return x

    compiled = la.compile(function)
    function.unit = "metres"  # type: ignore[attr-defined]
    assert (compiled.__name__, compiled.__doc__, compiled.unit) == ("function", "Return the same.", "metres")
    with pytest.raises(AttributeError):
        _ = compiled.nothing
    assert not hasattr(compiled, "__array__")


# --- copies ---


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deep", "pickled"])
@pytest.mark.parametrize("called", [False, True])
def test_a_copy_of_a_compiled_function_computes_the_same(copied: Any, called: bool) -> None:
    compiled, x = la.compile(tripled, static_argnames="y"), la.ones(3)
    if called:
        for _ in range(3):
            compiled(x)
    other = copied(compiled)
    assert other is not compiled
    assert other.traces == 0
    for _ in range(3):
        assert_same(other(x), tripled(x))
    assert other._static == frozenset({"y"})
    assert other.traces == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deep", "pickled"])
def test_a_model_with_compiled_layers_can_be_copied(copied: Any) -> None:
    model, x = Network(), la.ones((2, 3))
    expected = model(x)
    other = copied(model)
    assert_same(other(x), expected)
    assert not {id(each) for each in model.parameters()} & {id(each) for each in other.parameters()}
    other.load_state_dict({name: value * 0.0 for name, value in other.state_dict().items()})
    assert (other(x).numpy() == 0.0).all()
    assert_same(model(x), expected)


def test_a_copy_of_what_holds_its_own_compiled_function_holds_the_copy() -> None:
    model = nn.Linear(2, 2)
    model.fast = la.compile(model)  # type: ignore[attr-defined]
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.fast.__wrapped__ is other
    fast = copy.deepcopy(model.fast)  # type: ignore[attr-defined]
    assert fast.__wrapped__.fast is fast


def test_a_decorated_function_is_pickled_by_its_name_and_copied_deeply() -> None:
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert pickle.loads(pickle.dumps(Squares.of)) is Squares.of
    assert b"doubled" in pickle.dumps(doubled)
    other, x = copy.deepcopy(doubled), la.ones(2)
    doubled(x)
    assert (other is not doubled, other.traces) == (True, 0)
    assert_same(other(x), doubled(x))


def test_a_method_taken_from_an_object_is_copied_with_it() -> None:
    squares, x = Squares(), la.asarray([2.0, 3.0])
    for other in (copy.deepcopy(squares.of), pickle.loads(pickle.dumps(squares.of))):
        assert_same(other(x), x * x)


# --- arguments that are arrays of others ---


class Foreign:
    """An array of another library."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.values


def test_arrays_of_another_library_are_no_arguments() -> None:
    torch = pytest.importorskip("torch")
    compiled = la.compile(lambda x, y: x)
    for given in (torch.ones(3), Foreign([1.0])):
        for args in ((la.ones(2), given), (la.ones(2), [given]), (la.ones(2), {"a": (given,)})):
            with pytest.raises(la.DTypeError, match=r"la\.asarray\(x\)"):
                compiled(*args)
        with pytest.raises(la.DTypeError, match=r"la\.asarray\(x\)"):
            compiled(la.ones(2), y=given)
    assert_same(compiled(la.asarray(torch.ones(3)), 0), la.ones(3))


def test_arrays_of_another_library_may_be_static() -> None:
    given = Foreign([1.0, 2.0])
    compiled = la.compile(lambda x, y: x + la.asarray(y.values), static_argnums=1)
    assert compiled(la.asarray(1.0), given).tolist() == [2.0, 3.0]
    assert la.compile(lambda x, y: x * float(y))(la.asarray(2.0), np.float32(3.0)).item() == 6.0
