"""What a model is made of, and how it is found."""

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import nn


class Network(nn.Module):
    """The design's example: no call of super().__init__()."""

    def __init__(self, inputs=2, hidden=3, outputs=1):
        self.l1 = nn.Linear(inputs, hidden)
        self.l2 = nn.Linear(hidden, outputs)

    def __call__(self, x):
        return self.l2(self.l1(x).relu())


class Holder(nn.Module):
    def __init__(self, **members):
        for name, value in members.items():
            setattr(self, name, value)


def names(model):
    return [name for name, _ in model.named_parameters()]


def test_parameters_are_named_by_their_path():
    assert names(Network()) == ["l1.weight", "l1.bias", "l2.weight", "l2.bias"]


def test_layers_of_a_sequential_are_named_by_position_as_in_pytorch():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 1, bias=False)))
    assert names(model) == ["0.weight", "0.bias", "2.0.weight"]


def test_lists_tuples_and_dicts_are_walked_however_deep():
    w = [la.variable([float(each)]) for each in range(4)]
    model = Holder(layers=[nn.Linear(1, 1, bias=False), {"a": (w[0], [w[1]])}], table={"x": w[2], 3: w[3]})
    assert names(model) == ["layers.0.weight", "layers.1.a.0", "layers.1.a.1.0", "table.x", "table.3"]


def test_parameters_are_the_trainable_variables_and_buffers_the_others():
    model = Holder(
        w=la.variable([1.0]), mean=la.variable([0.0], trainable=False), steps=la.variable([0], dtype="int64")
    )
    assert names(model) == ["w"]
    assert [name for name, _ in model.named_buffers()] == ["mean", "steps"]
    assert model.parameters() == [model.w]
    assert [id(each) for each in model.buffers()] == [id(model.mean), id(model.steps)]


def test_tensors_and_other_attributes_are_no_state():
    assert Holder(constant=la.ones(2), number=3, text="w", nothing=None, array=np.ones(2)).state_dict() == {}


def test_a_shared_variable_counts_once_under_its_first_name():
    first = nn.Linear(2, 2)
    model = Holder(first=first, again=first, tied=first.weight)
    assert names(model) == ["first.weight", "first.bias"]
    assert len(model.parameters()) == 2


def test_the_same_layer_used_twice_in_a_sequential_counts_once():
    layer = nn.Linear(2, 2)
    assert names(nn.Sequential(layer, layer)) == ["0.weight", "0.bias"]


def test_cycles_between_modules_end():
    parent, child = Holder(w=la.variable([1.0])), Holder(w=la.variable([2.0]))
    parent.child, child.parent, child.itself = child, parent, child
    loop = [parent]
    loop.append(loop)
    parent.loop = loop
    assert names(parent) == ["w", "child.w"]
    assert parent.modules() == [parent, child]
    assert names(child) == ["w", "parent.w"]
    assert list(parent.state_dict()) == ["w", "child.w"]
    assert "parent" in repr(child)


def test_many_modules_that_know_each_other_are_walked_in_no_time():
    models = [Holder(w=la.variable([1.0])) for _ in range(60)]
    for each in models:
        each.others = models
    assert len(models[0].parameters()) == 60
    assert len(repr(models[0]).splitlines()) < 60 * 61 + 200


def test_a_model_nested_deeper_than_the_interpreter_recurses_is_walked():
    model = Holder(w=la.variable([1.0]))
    for _ in range(3000):
        model = Holder(inner=model)
    assert len(model.parameters()) == 1


def test_modules_and_children_come_with_their_names():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU()))
    assert [name for name, _ in model.named_modules()] == ["", "0", "1", "1.0"]
    assert [name for name, _ in model.named_children()] == ["0", "1"]
    assert model.modules()[0] is model
    assert model.children() == [model[0], model[1]]


def test_a_child_with_two_names_is_one_child():
    layer = nn.ReLU()
    assert [name for name, _ in Holder(a=layer, b=layer).named_children()] == ["a"]


def test_a_dataclass_can_be_a_module():
    @dataclass(eq=False)
    class Scale(nn.Module):
        w: la.Variable

        def __call__(self, x):
            return x * self.w

    model = Scale(la.variable([2.0]))
    assert names(model) == ["w"]
    assert model(la.ones(1)).item() == 2.0


def test_dataclass_modules_that_compare_by_value_are_told_apart():
    @dataclass
    class Empty(nn.Module):
        number: int = 0

    assert len(Holder(a=Empty(), b=Empty()).modules()) == 3


def test_forward_serves_where_call_is_not_defined():
    class Doubling(nn.Module):
        def forward(self, x, factor=2.0):
            return x * factor

    assert Doubling()(la.ones(()), factor=3.0).item() == 3.0


def test_a_module_without_call_says_what_to_define():
    with pytest.raises(NotImplementedError, match=r"Holder: define __call__\(self, x\)"):
        Holder()(la.ones(1))


# --- mode -------------------------------------------------------------------------------------------------


def test_training_is_true_at_first_and_set_everywhere():
    model = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Dropout()))
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    assert model.train() is model
    assert all(module.training for module in model.modules())


def test_mode_of_one_model_does_not_reach_another():
    first, second = nn.Dropout(), nn.Dropout()
    first.eval()
    assert second.training


# --- devices and copies -----------------------------------------------------------------------------------


def test_moving_keeps_the_variables_and_their_values():
    model = nn.Sequential(nn.Linear(2, 3), Holder(mean=la.variable([1.0], trainable=False)))
    before, values = model.parameters(), [each.numpy() for each in model.parameters()]
    assert model.to("strict") is model
    assert [id(each) for each in model.parameters()] == [id(each) for each in before]
    assert {each.device for each in [*model.parameters(), *model.buffers()]} == {"strict"}
    for each, value in zip(model.parameters(), values, strict=True):
        np.testing.assert_array_equal(each.numpy(), value)


def test_a_moved_model_computes_and_differentiates_there():
    model = nn.MLP(2, 3, 1)
    x = la.ones((4, 2))
    expected = model(x).numpy()
    model.to("strict")
    result = model(x.to("strict"))
    assert result.device == "strict"
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)
    gradients = result.sum().backward()
    assert all(gradients[each].device == "strict" for each in model.parameters())


def test_an_unknown_device_moves_nothing():
    model = nn.Linear(2, 2)
    with pytest.raises(la.BackendError, match="'tpu' is not known"):
        model.to("tpu")
    assert model.weight.device == "cpu"


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_its_own_variables_and_keeps_what_is_shared(duplicate):
    model = Network()
    model.tied = model.l1.weight
    other = duplicate(model)
    assert other.tied is other.l1.weight
    other.l1.weight.assign(other.l1.weight * 0.0)
    assert model.l1.weight.numpy().any()
    assert names(other) == names(model)


# --- any tree ---------------------------------------------------------------------------------------------

LEAVES = st.integers(0, 9)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    ),
    max_leaves=12,
)


def built(tree, variables):
    if isinstance(tree, int):
        return variables[tree]
    if isinstance(tree, dict):
        return Holder(**{name: built(each, variables) for name, each in tree.items()})
    return type(tree)(built(each, variables) for each in tree)


def leaves(tree):
    if isinstance(tree, int):
        return {tree}
    return set().union(*map(leaves, tree.values() if isinstance(tree, dict) else tree))


@given(TREES)
@settings(deadline=None, max_examples=25)
def test_every_variable_of_any_tree_is_found_once_and_round_trips(tree):
    variables = [la.variable(float(each)) for each in range(10)]
    model = Holder(root=built(tree, variables))
    found = model.named_parameters()
    assert {id(each) for _, each in found} == {id(variables[each]) for each in leaves(tree)}
    assert len({name for name, _ in found}) == len(found) == len(leaves(tree))
    state = model.state_dict()
    for each in variables:
        each.assign(-1.0)
    model.load_state_dict(state)
    assert {name: each.item() for name, each in found} == {name: each.item() for name, each in state.items()}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Sequential(nn.Linear), r"Linear is a class; make a layer of it, as in Linear\(\.\.\.\)"),
        (lambda: nn.GELU(approximate="no"), "GELU: approximate must be"),
        (lambda: nn.init.orthogonal((2,)), r"init\.orthogonal: gain is a Python number, got \(2,\)"),
        (lambda: nn.init.xavier_normal((2, 3)), r"init\.xavier_normal\(\)\(shape\)"),
    ],
)
def test_mistakes_in_making_a_layer_are_noticed_where_it_is_made(make, words):
    with pytest.raises(la.LaminaError, match=words):
        make()


def test_a_tensor_in_the_place_of_a_parameter_is_refused():
    layer = nn.Linear(2, 1)
    with pytest.raises(la.AssignmentError, match=r"Linear\.weight is a variable.*weight\.assign\(value\)"):
        layer.weight = layer.weight * 2
    with pytest.raises(la.AssignmentError, match=r"an array in its place would not be trained"):
        layer.bias = np.zeros(1, np.float32)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    layer.weight = la.variable([[1.0, 2.0]])
    del layer.bias
    layer.bias = la.zeros(1)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
