"""Names of other libraries: errors say what a thing is called here, and what they say exists."""

import pickle
import re

import pytest

import lamina as la
from lamina import nn, optim, other_names

TABLES = {
    "tensor": (lambda: la.ones(2), other_names.TENSOR),
    "lamina": (lambda: la, other_names.FUNCTIONS),
    "nn": (lambda: nn, other_names.NN),
    "module": (lambda: nn.Linear(1, 1), other_names.MODULE),
    "optim": (lambda: optim, other_names.OPTIM),
    "optimizer": (lambda: optim.SGD([la.variable(1.0)], lr=0.1), other_names.OPTIMIZER),
    "random": (lambda: la.random, other_names.RANDOM),
}
ROWS = [(table, name) for table, (_, names) in TABLES.items() for name in names]
ROOTS = {
    "la": la, "nn": nn, "x": la.variable([[1.0]]), "model": nn.Linear(1, 1), "module": nn.Linear(1, 1),
    "optimizer": optim.SGD([la.variable(1.0)], lr=0.1), "loss": la.ones(()), "generator": la.random.Generator(0),
}  # fmt: skip


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_name_from_elsewhere_is_told_what_it_is_called_here(table, name):
    make, names = TABLES[table]
    with pytest.raises(AttributeError, match=re.escape(f"has no attribute {name!r}; here it is {names[name]}")):
        getattr(make(), name)


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_what_is_told_exists(table, name):
    for root, path in re.findall(r"\b(\w+)((?:\.[a-zA-Z_]\w*)+)", TABLES[table][1][name]):
        found = ROOTS.get(root)
        for step in path.split(".")[1:] if found is not None else ():
            assert hasattr(found, step), f"{root}{path}"
            found = getattr(found, step)


@pytest.mark.parametrize("make", [make for make, _ in TABLES.values()], ids=TABLES)
def test_name_from_nowhere_is_an_ordinary_attribute_error(make):
    with pytest.raises(AttributeError, match=r"has no attribute 'nowhere'$"):
        make().nowhere  # noqa: B018


def test_error_inside_of_a_property_is_not_hidden():
    class Scaled(nn.Module):
        @property
        def weights(self):
            return self.missing_inside

    with pytest.raises(AttributeError, match="'missing_inside'"):
        Scaled().weights  # noqa: B018


def test_attributes_of_ones_own_by_such_names_work():
    class Net(nn.Module):
        def __init__(self):
            self.weights = [la.variable([1.0])]

        def half(self):
            return self.weights[0] / 2

    assert Net().half().tolist() == [0.5]


def test_tensors_and_modules_are_pickled_all_the_same():
    model = pickle.loads(pickle.dumps(nn.Linear(2, 1)))
    assert pickle.loads(pickle.dumps(la.ones(2))).tolist() == [1.0, 1.0]
    assert model(la.ones((1, 2))).shape == (1, 1)


def test_assigning_the_learning_rate_says_how():
    optimizer = optim.SGD([la.variable(1.0)], lr=0.1)
    with pytest.raises(la.AssignmentError, match=r"optimizer\.lr\.assign\(0\.01\)"):
        optimizer.lr = 0.01
    assert optimizer.lr.item() == 0.1


@pytest.mark.parametrize("digits", [None, 1, 2])
def test_numbers_are_rounded_as_pythons(digits):
    assert round(la.asarray(2.567, dtype="float64"), digits) == round(2.567, digits)
    with pytest.raises(la.ShapeError, match="round: a tensor of shape"):
        round(la.ones(2))
