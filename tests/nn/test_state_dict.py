"""The state of a model, out and in."""

import ml_dtypes
import numpy as np
import pytest

import lamina as la
from lamina import nn


class Tied(nn.Module):
    def __init__(self):
        self.encoder = nn.Linear(2, 2, bias=False)
        self.decoder = nn.Linear(2, 2, bias=False)
        self.decoder.weight = self.encoder.weight


def model():
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


def values(module):
    return {name: each.numpy() for name, each in module.state_dict().items()}


def test_state_is_constants_that_later_assignments_do_not_change():
    layer = nn.Linear(2, 1)
    state = layer.state_dict()
    before = state["weight"].numpy()
    layer.weight.assign(layer.weight + 1.0)
    np.testing.assert_array_equal(state["weight"].numpy(), before)
    assert not state["weight"].tracked
    assert list(state) == ["weight", "bias"]


def test_buffers_are_part_of_the_state():
    layer = nn.Linear(1, 1)
    layer.mean = la.variable([5.0], trainable=False)
    assert list(layer.state_dict()) == ["weight", "bias", "mean"]


@pytest.mark.parametrize("given", ["tensors", "arrays"])
def test_state_goes_from_one_model_to_another(given):
    first, second = model(), model()
    state = first.state_dict() if given == "tensors" else values(first)
    assert second.load_state_dict(state) == ([], [])
    for name, value in values(second).items():
        np.testing.assert_array_equal(value, values(first)[name])


def test_loading_keeps_the_variables_that_an_optimiser_holds():
    module = model()
    before = [id(each) for each in module.parameters()]
    module.load_state_dict(model().state_dict())
    assert [id(each) for each in module.parameters()] == before


def test_bfloat16_arrays_load():
    layer = nn.Linear(2, 1, dtype="bfloat16")
    layer.load_state_dict({"weight": np.ones((1, 2), ml_dtypes.bfloat16), "bias": np.zeros(1, ml_dtypes.bfloat16)})
    np.testing.assert_array_equal(layer.weight.numpy().astype(np.float32), [[1.0, 1.0]])


def test_values_go_to_the_device_of_the_model():
    layer = nn.Linear(2, 1).to("strict")
    source = nn.Linear(2, 1)
    layer.load_state_dict(source.state_dict())
    assert layer.weight.device == "strict"
    np.testing.assert_array_equal(layer.weight.numpy(), source.weight.numpy())


def test_an_error_lists_everything_that_does_not_fit_and_changes_nothing():
    module = model()
    before = values(module)
    state = values(model())
    del state["0.bias"]
    state["3.scale"] = np.ones(1, np.float32)
    state["0.weight"] = state["0.weight"].T
    state["2.weight"] = state["2.weight"].astype(np.float64)
    with pytest.raises(la.CheckpointError) as raised:
        module.load_state_dict(state)
    assert str(raised.value).splitlines() == [
        "load_state_dict: the values do not fit Sequential, unchanged:",
        "  shape: 0.weight is [3, 2] in the model, [2, 3] here",
        "  type: 2.weight is float32 in the model, float64 here; cast it with astype",
        "  missing: 0.bias",
        "  unexpected: 3.scale",
    ]
    for name, value in values(module).items():
        np.testing.assert_array_equal(value, before[name])


def test_names_that_do_not_match_are_returned_where_they_are_allowed():
    module = model()
    state = {"0.bias": np.full(3, 7.0, np.float32), "head.weight": np.ones(1)}
    unmatched = module.load_state_dict(state, strict=False)
    assert unmatched.missing == ["0.weight", "2.weight", "2.bias"]
    assert unmatched.unexpected == ["head.weight"]
    np.testing.assert_array_equal(module[0].bias.numpy(), [7.0, 7.0, 7.0])


def test_shapes_must_fit_even_where_names_need_not():
    with pytest.raises(la.CheckpointError, match=r"shape: 0\.bias is \[3\] in the model, \[4\] here"):
        model().load_state_dict({"0.bias": np.zeros(4, np.float32)}, strict=False)


@pytest.mark.parametrize("value", ["text", None, np.array([1j]), np.array(["a"]), [[1.0], [2.0, 3.0]]])
def test_a_value_that_is_no_array_of_numbers_is_named(value):
    with pytest.raises(la.CheckpointError, match="unusable: bias is no tensor or array"):
        nn.Linear(1, 1).load_state_dict({"bias": value}, strict=False)


def test_a_shared_variable_is_listed_once_and_loads_under_either_name():
    module = Tied()
    assert list(module.state_dict()) == ["encoder.weight"]
    for name in ("encoder.weight", "decoder.weight"):
        value = np.full((2, 2), len(name), np.float32)
        module.load_state_dict({name: value})
        np.testing.assert_array_equal(module.encoder.weight.numpy(), value)


def test_a_shared_variable_takes_both_names_with_one_value():
    module = Tied()
    value = np.array([[1.0, np.nan], [2.0, 3.0]], np.float32)
    module.load_state_dict({"encoder.weight": value, "decoder.weight": value.copy()})
    np.testing.assert_array_equal(module.decoder.weight.numpy(), value)


def test_a_shared_variable_refuses_two_values():
    ones = np.ones((2, 2), np.float32)
    with pytest.raises(la.CheckpointError, match=r"encoder\.weight and decoder\.weight are one variable"):
        Tied().load_state_dict({"encoder.weight": ones, "decoder.weight": 2 * ones})


def test_names_that_lead_round_a_cycle_load_too():
    module = nn.Sequential(nn.Linear(1, 1, bias=False))
    module.back = module
    module.load_state_dict({"back.back.0.weight": np.full((1, 1), 3.0, np.float32)})
    assert module[0].weight.item() == 3.0


def test_two_variables_of_one_name_are_refused():
    module = nn.Identity()
    module.table = {1: la.variable(1.0), "1": la.variable(2.0)}
    with pytest.raises(la.CheckpointError, match=r"two variables are named 'table\.1'"):
        module.state_dict()


def test_a_pytorch_state_dict_loads_and_gives_pytorchs_outputs():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
    ours = nn.MLP(4, 8, 3, activation="tanh", dtype="float64")
    x = np.random.default_rng(0).normal(size=(5, 4))
    expected = theirs(torch.tensor(x)).detach().numpy()
    for state in ({name: each.numpy() for name, each in theirs.state_dict().items()}, theirs.state_dict()):
        ours = nn.MLP(4, 8, 3, activation="tanh", dtype="float64")
        ours.load_state_dict(state)
        np.testing.assert_allclose(ours(la.asarray(x)).numpy(), expected, rtol=1e-12)


def test_names_are_those_of_pytorch():
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.l1 = torch.nn.Linear(2, 3)
            self.layers = torch.nn.ModuleList([torch.nn.Linear(3, 3), torch.nn.Sequential(torch.nn.Linear(3, 1))])

    class Ours(nn.Module):
        def __init__(self):
            self.l1 = nn.Linear(2, 3)
            self.layers = [nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 1))]

    assert list(Ours().state_dict()) == list(Theirs().state_dict())
    Ours().load_state_dict(Theirs().state_dict())


def test_what_is_no_mapping_is_no_state():
    with pytest.raises(la.DTypeError, match="expected a mapping of names to tensors, got NoneType"):
        nn.Linear(2, 1).load_state_dict(None)
