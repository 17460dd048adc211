"""Modules that are lists and dicts: named and used as PyTorch's are."""

import copy
import pickle

import numpy as np
import pytest

import lamina as la
from lamina import nn


def tree(space, number):
    """Return a model with every kind of list and dict, made of one library's parts."""

    class Model(space.Module):
        def __init__(self):
            super().__init__()
            self.blocks = space.ModuleList([space.Linear(2, 3), space.ModuleDict({"a": space.Linear(3, 2)})])
            self.heads = space.ModuleDict([("x", space.Linear(2, 1)), ("y", space.Sequential(space.PReLU()))])
            self.weights = space.ParameterList([number((2,)), number((3, 1))])
            self.named = space.ParameterDict({"scale": number((1,)), "shift": number(())})

    return Model()


def test_names_and_shapes_are_pytorchs():
    torch = pytest.importorskip("torch")
    ours = tree(nn, la.zeros)
    theirs = tree(torch.nn, lambda shape: torch.nn.Parameter(torch.zeros(shape)))
    assert [(name, each.shape) for name, each in ours.state_dict().items()] == [
        (name, tuple(each.shape)) for name, each in theirs.state_dict().items()
    ]
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    ours.load_state_dict({name: each.numpy() for name, each in theirs.state_dict().items()})


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_variables_of_its_own(copied):
    first = nn.ModuleList([nn.Linear(1, 1), nn.ModuleDict({"a": nn.PReLU()}), nn.ParameterDict({"b": la.ones(1)})])
    second = copied(first)
    assert list(second.state_dict()) == ["0.weight", "0.bias", "1.a.weight", "2.b"]
    second[2]["b"].assign(la.zeros(1))
    assert first[2]["b"].item() == 1.0


def test_a_list_of_modules_is_a_list():
    a, b, c, d = (nn.Linear(1, each) for each in range(1, 5))
    layers = nn.ModuleList([a]).append(b).extend([d])
    layers.insert(2, c)
    assert list(layers) == [a, b, c, d]
    assert layers[-1] is d
    assert list(layers[1:3]) == [b, c]
    assert isinstance(layers[1:], nn.ModuleList)
    assert layers.pop(0) is a
    del layers[0]
    layers[0] = a
    layers += [b]
    assert list(layers) == [a, d, b]
    assert b in layers
    assert layers.index(d) == 1
    assert len(nn.ModuleList()) == 0


def test_a_sequential_is_a_list_too():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[1] = nn.Tanh()
    model.insert(1, nn.Flatten())
    assert [type(layer).__name__ for layer in model] == ["Linear", "Flatten", "Tanh"]
    del model[1:]
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    assert isinstance(nn.MLP(1, 2, 1)[:1], nn.Sequential)


def test_a_dict_of_modules_is_a_dict():
    a, b = nn.Linear(1, 1), nn.Linear(1, 2)
    table = nn.ModuleDict({"a": a})
    table["b"] = b
    table.update({"a": b})
    assert list(table.items()) == [("a", b), ("b", b)]
    assert table.pop("a") is b
    assert "a" not in table
    assert table.get("a") is None
    table.clear()
    assert len(table) == 0
    assert nn.ModuleDict({"a": a}) != nn.ModuleDict({"a": a})
    assert len({table, nn.ModuleDict()}) == 2


def test_tensors_become_variables_and_variables_stay_the_same():
    weight = la.variable([1.0], trainable=False)
    assert nn.ParameterList([weight])[0] is weight
    assert nn.ParameterDict({"w": weight})["w"] is weight
    made = nn.ParameterList([la.ones(2)])
    assert isinstance(made[0], la.Variable)
    assert made[0].trainable


def test_compiled_functions_notice_changed_members():
    layers, table = nn.ModuleList([nn.ReLU(), nn.ReLU()]), nn.ModuleDict({"last": nn.Identity()})

    @la.compile
    def run(x):
        for layer in layers:
            x = layer(x)
        return table["last"](x)

    x = la.asarray([-1.0, 2.0])
    assert run(x).tolist() == [0.0, 2.0]
    layers[:] = [nn.LeakyReLU(0.5)]
    assert run(x).tolist() == [-0.5, 2.0]
    table["last"] = nn.ReLU()
    assert run(x).tolist() == [0.0, 2.0]


def test_training_reaches_every_member():
    la.random.seed(0)
    model = tree(nn, la.ones)
    optimizer = la.optim.SGD(model.parameters(), lr=0.1)

    @la.compile
    def step(x):
        y = model.blocks[1]["a"](model.blocks[0](x)) * model.weights[0] * model.named["scale"] + model.named["shift"]
        loss = (model.heads["y"](-y) + model.heads["x"](y) * model.weights[1].sum()).sum() ** 2
        optimizer.step(loss.backward())
        return loss

    before = {name: each.numpy() for name, each in model.state_dict().items()}
    x = la.asarray(np.random.default_rng(0).normal(size=(4, 2)).astype("float32"))
    step(x)
    assert [name for name, each in model.state_dict().items() if (each.numpy() == before[name]).all()] == []
    assert not any(module.training for module in model.eval().modules())


def test_repr_shows_the_members():
    assert repr(nn.ModuleList([nn.ReLU()])) == "ModuleList(\n  (0): ReLU()\n)"
    assert repr(nn.ModuleDict({"a": nn.ReLU()})) == "ModuleDict(\n  (a): ReLU()\n)"
    assert repr(nn.ParameterList([la.ones(2)])) == "ParameterList(0=[2])"
    assert repr(nn.ParameterDict({"a": la.ones(2)})) == "ParameterDict(a=[2])"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.ModuleList([la.tanh]), "ModuleList: expected modules, got function"),
        (lambda: nn.ModuleList([nn.ReLU]), "got ReLU; make one of it, by calling the class"),
        (lambda: nn.ModuleDict({"a": 3}), "ModuleDict: expected modules, got int"),
        (lambda: nn.ModuleDict({1: nn.ReLU()}), "ModuleDict: keys are texts, got int"),
        (lambda: nn.ParameterList([1.0]), "ParameterList: expected variables or tensors, got float"),
        (lambda: nn.ParameterDict({"a": nn.ReLU()}), "ParameterDict: expected variables or tensors, got ReLU"),
        (lambda: nn.ModuleList()(la.ones(1)), "ModuleList: a list of modules cannot be called"),
        (lambda: nn.ModuleDict()(la.ones(1)), "ModuleDict: a dict of modules cannot be called"),
        (lambda: nn.ParameterList()(la.ones(1)), "ParameterList: a list of variables cannot be called"),
        (lambda: nn.ParameterDict()(la.ones(1)), "ParameterDict: a dict of variables cannot be called"),
    ],
)
def test_what_cannot_be_a_member_or_be_called_is_refused(make, message):
    with pytest.raises(la.DTypeError, match=message):
        make()
