"""Linear layers and what is built of them."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import nn


def test_linear_is_x_w_transposed_plus_b():
    layer = nn.Linear(2, 3)
    x = la.asarray([[1.0, 2.0], [3.0, 4.0]])
    expected = x.numpy() @ layer.weight.numpy().T + layer.bias.numpy()
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-6)


@given(
    st.integers(1, 4), st.integers(1, 4), st.booleans(), st.lists(st.integers(0, 3), max_size=3), st.integers(0, 2**31)
)
@settings(deadline=None, max_examples=25)
def test_linear_agrees_with_pytorch_in_values_and_gradients(inputs, outputs, bias, batch, seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    layer = nn.Linear(inputs, outputs, bias, dtype="float64")
    theirs = torch.nn.Linear(inputs, outputs, bias).double()
    theirs.load_state_dict({name: torch.tensor(each.numpy()) for name, each in layer.state_dict().items()})
    x = rng.normal(size=(*batch, inputs))
    y, expected = layer(la.asarray(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    (expected**2).sum().backward()
    gradients = (y * y).sum().backward()
    for (name, ours), other in zip(layer.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            gradients.wrt(ours).numpy(), other.grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name
        )


def test_the_last_axis_must_be_in_features():
    with pytest.raises(la.ShapeError, match=r"Linear: expected in_features=3 along the last axis, got shape \[4, 2\]"):
        nn.Linear(3, 1)(la.zeros((4, 2)))
    with pytest.raises(la.ShapeError, match=r"got shape \[\]"):
        nn.Linear(3, 1)(la.zeros(()))


@pytest.mark.parametrize("x", [[[1.0, 2.0, 3.0]], np.ones((1, 3)), 3.0])
def test_what_is_no_tensor_is_refused_with_the_remedy(x):
    with pytest.raises(la.DTypeError, match=r"Linear: expected a Tensor, got .*; make one with lamina.asarray"):
        nn.Linear(3, 1)(x)


def test_a_variable_is_an_input_like_any_other():
    layer = nn.Linear(1, 1, init="ones")
    x = la.variable([[2.0]])
    assert layer(x).sum().backward()[x].item() == 1.0


def test_integer_inputs_become_floats():
    assert nn.Linear(2, 1)(la.asarray([[1, 2]])).dtype is la.float32


@pytest.mark.parametrize("count", [0, -1, 2.5, "3", None, True])
def test_numbers_of_features_are_positive_integers(count):
    with pytest.raises(la.ShapeError, match="in_features must be a positive integer"):
        nn.Linear(count, 1)
    with pytest.raises(la.ShapeError, match="out_features must be a positive integer"):
        nn.Linear(1, count)


def test_parameters_are_float32_unless_another_type_is_named():
    assert {each.dtype for each in nn.Linear(2, 2).parameters()} == {la.float32}
    assert {each.dtype for each in nn.Linear(2, 2, dtype="float64").parameters()} == {la.float64}
    with pytest.raises(la.DTypeError, match="got dtype int32"):
        nn.Linear(2, 2, dtype=la.int32)


def test_variables_have_names():
    layer = nn.Linear(1, 1)
    assert (layer.weight.name, layer.bias.name) == ("weight", "bias")


def test_default_initial_values_are_uniform_within_pytorchs_bound():
    la.random.seed(0)
    layer = nn.Linear(16, 4000)
    for each in layer.parameters():
        values = each.numpy().ravel()
        assert np.abs(values).max() <= 0.25
        assert abs(values.mean()) < 0.01
        assert values.var() == pytest.approx(0.25**2 / 3, rel=0.05)


def test_a_seed_fixes_the_initial_values():
    def weights():
        la.random.seed(11)
        return nn.MLP(3, [4], 2).state_dict()

    first, second = weights(), weights()
    assert all((first[name] == second[name]).all() for name in first)


@pytest.mark.parametrize(
    "init",
    ["zeros", nn.init.zeros(), lambda shape, *, dtype: la.zeros(shape, dtype=dtype)],
    ids=["name", "made", "own"],
)
def test_the_weight_is_made_by_the_initialiser_given(init):
    layer = nn.Linear(3, 2, init=init, dtype="float64")
    assert not layer.weight.numpy().any()
    assert layer.bias.numpy().any()


@pytest.mark.parametrize(
    ("init", "error", "message"),
    [
        ("kaiming", ValueError, "'kaiming' is not known; use one of zeros, ones"),
        (nn.init.zeros, ValueError, r"call it, as in nn\.init\.zeros\(\.\.\.\)"),
        (nn.init.constant, ValueError, r"call it, as in nn\.init\.constant\(\.\.\.\)"),
        (3, ValueError, "expected a name or a function of a shape, got 3"),
        (lambda shape, *, dtype: np.zeros(shape), la.DTypeError, "must return a Tensor, got ndarray"),
        (lambda shape, *, dtype: la.zeros((1,)), la.ShapeError, r"to make float32\[2, 3\], got float32\[1\]"),
        (lambda shape, *, dtype: la.zeros(shape, dtype="int32"), la.ShapeError, r"got int32\[2, 3\]"),
    ],
)
def test_an_unusable_initialiser_is_refused(init, error, message):
    with pytest.raises(error, match=message):
        nn.Linear(3, 2, init=init)


# --- shape only -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "shape"), [((), (2, 60)), ((0,), (120,)), ((2,), (2, 3, 20)), ((0, 1), (6, 4, 5))]
)
def test_flatten_makes_a_range_of_axes_one(arguments, shape):
    x = la.arange(120.0).reshape(2, 3, 4, 5)
    y = nn.Flatten(*arguments)(x)
    assert y.shape == shape
    np.testing.assert_array_equal(y.numpy().ravel(), x.numpy().ravel())


def test_identity_returns_its_input():
    x = la.ones(2)
    assert nn.Identity()(x) is x


# --- containers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("batch", "bias"), [((), True), ((5,), True), ((2, 3), False), ((0,), True)])
def test_bilinear_is_pytorchs_in_values_gradients_and_names(batch, bias, compiled):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    ours, theirs = nn.Bilinear(3, 4, 2, bias, dtype="float64"), torch.nn.Bilinear(3, 4, 2, bias).double()
    theirs.load_state_dict({name: torch.tensor(each.numpy()) for name, each in ours.state_dict().items()})
    arrays = rng.normal(size=(*batch, 3)), rng.normal(size=(*batch, 4))

    def both(*x):
        x = [la.variable(each) for each in x]
        y = ours(*x)
        gradients = (y * y).sum().backward()
        return y, *(gradients[each] for each in [*x, *ours.parameters()])

    leaves = [torch.tensor(each, requires_grad=True) for each in arrays]
    expected = theirs(*leaves)
    (expected**2).sum().backward()
    wanted = [expected.detach(), *(each.grad for each in [*leaves, *theirs.parameters()])]
    for found, each in zip((la.compile(both) if compiled else both)(*map(la.asarray, arrays)), wanted, strict=True):
        assert found.shape == tuple(each.shape)
        np.testing.assert_allclose(found.numpy(), each.numpy(), rtol=1e-11, atol=1e-13)


def test_bilinear_starts_uniform_and_refuses_what_does_not_fit():
    la.random.seed(0)
    layer = nn.Bilinear(16, 5, 40)
    assert repr(layer) == "Bilinear(in1_features=16, in2_features=5, out_features=40, bias=True)"
    assert np.abs(layer.weight.numpy()).max() <= 0.25
    assert layer.weight.numpy().std() == pytest.approx(0.25 / 3**0.5, rel=0.03)
    for shapes in [((2, 16), (3, 5)), ((2, 5), (2, 16)), ((), (5,))]:
        with pytest.raises(la.ShapeError, match="bilinear: expected"):
            layer(*map(la.ones, shapes))
    with pytest.raises(la.ShapeError, match="Bilinear: in2_features must be a positive integer, got 0"):
        nn.Bilinear(1, 0, 1)


@pytest.mark.parametrize(
    ("axis", "sizes", "shape"),
    [(1, (2, 3), (4, 6, 2)), (-1, (3, -1), (4, 6)), (0, (-1,), (5, 2)), (1, (1, 6, 1), (0, 6)), (1, (-1, 2), (3, 0))],
)
def test_unflatten_is_pytorchs(axis, sizes, shape, assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    assert_same_as_pytorch(nn.Unflatten(axis, sizes), torch.nn.Unflatten(axis, sizes), np.ones(shape))


@pytest.mark.parametrize(
    ("axis", "sizes"), [(1, (4, -1)), (1, (2, 2)), (1, (-1, -1)), (1, ()), (0, (-2, -1)), (2, (6,))]
)
def test_unflatten_refuses_lengths_that_do_not_multiply_to_that_of_the_axis(axis, sizes):
    with pytest.raises(la.ShapeError, match="Unflatten: axis"):
        nn.Unflatten(axis, sizes)(la.ones((2, 6)))


def test_sequential_applies_its_layers_in_order():
    model = nn.Sequential(lambda x: x + 1.0, lambda x: x * 10.0)
    assert model(la.asarray(2.0)).item() == 30.0
    assert nn.Sequential()(5) == 5


def test_sequential_is_a_sequence():
    layers = [nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)]
    model = nn.Sequential(*layers)
    assert len(model) == 3
    assert list(model) == layers
    assert model[-1] is layers[2]
    assert list(model[:2]) == layers[:2]
    assert isinstance(model[:2], nn.Sequential)
    assert len(model.append(nn.Tanh())) == 4


@pytest.mark.parametrize(
    ("layer", "message"), [([nn.ReLU()], r"got list; write Sequential\(\*layers\)"), (3, "got int")]
)
def test_sequential_refuses_what_cannot_be_called(layer, message):
    with pytest.raises(la.DTypeError, match=message):
        nn.Sequential(layer)
    with pytest.raises(la.DTypeError, match=message):
        nn.Sequential().append(layer)


def kinds(model):
    return [type(layer).__name__ for layer in model]


def test_an_mlp_alternates_linear_layers_and_activations():
    assert kinds(nn.MLP(3, 5, 2)) == ["Linear", "ReLU", "Linear"]
    model = nn.MLP(3, (5, 4), 2, "gelu", dropout=0.2)
    assert kinds(model) == ["Linear", "GELU", "Dropout", "Linear", "GELU", "Dropout", "Linear"]
    assert [list(each.shape) for each in model.parameters()] == [[5, 3], [5], [4, 5], [4], [2, 4], [2]]
    assert model(la.ones((7, 3))).shape == (7, 2)


def test_an_mlp_without_hidden_layers_is_linear():
    assert kinds(nn.MLP(3, [], 2, dropout=0.5)) == ["Linear"]


def test_the_activation_of_an_mlp_is_a_name_a_class_a_layer_or_a_function():
    assert kinds(nn.MLP(1, 1, 1, "hardsigmoid"))[1] == "Hardsigmoid"
    assert kinds(nn.MLP(1, 1, 1, nn.Tanh))[1] == "Tanh"
    assert nn.MLP(1, 1, 1, nn.LeakyReLU(0.2))[1].negative_slope == 0.2
    assert nn.MLP(1, 1, 1, la.tanh)[1] is la.tanh
    with pytest.raises(ValueError, match="'rleu' is not known; use one of relu, leaky_relu"):
        nn.MLP(1, 1, 1, "rleu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 1), "in_features must be"),
        ((1, [2, 0], 1), "out_features must be"),
        ((1, [], 0), "out_features must be"),
        ((1, "8", 1), "hidden must be a width or a sequence of widths, got '8'"),
        ((1, 2.5, 1), "got 2.5"),
    ],
)
def test_widths_of_an_mlp_are_positive_integers(arguments, message):
    with pytest.raises(la.ShapeError, match=message):
        nn.MLP(*arguments)


# --- dropout ----------------------------------------------------------------------------------------------


def test_dropout_zeroes_a_share_and_scales_the_rest():
    la.random.seed(1)
    y = nn.Dropout(0.25)(la.ones((200, 200))).numpy()
    np.testing.assert_allclose(np.unique(y), [0.0, 4.0 / 3.0], rtol=1e-6)
    assert (y == 0.0).mean() == pytest.approx(0.25, abs=0.01)


def test_the_gradient_of_dropout_is_its_mask():
    la.random.seed(1)
    x = la.variable(la.ones(100))
    y = nn.Dropout(0.5)(x)
    np.testing.assert_array_equal(y.sum().backward()[x].numpy(), y.numpy())


def test_dropout_is_the_identity_in_evaluation_and_at_zero():
    x = la.ones(3)
    assert nn.Dropout(0.5).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x


def test_dropout_of_everything_gives_zeros():
    np.testing.assert_array_equal(nn.Dropout(1.0)(la.ones(3)).numpy(), [0.0, 0.0, 0.0])


def test_dropout_repeats_under_a_seed_and_not_otherwise():
    layer, x = nn.Dropout(0.5), la.ones(64)
    la.random.seed(5)
    first, second = layer(x).numpy(), layer(x).numpy()
    la.random.seed(5)
    np.testing.assert_array_equal(layer(x).numpy(), first)
    assert (first != second).any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dropout_keeps_the_type(dtype):
    assert nn.Dropout(0.3)(la.ones(4, dtype=dtype)).dtype.name == dtype


def test_dropout_draws_the_same_on_every_device():
    la.random.seed(5)
    first = nn.Dropout(0.5)(la.ones(64)).numpy()
    la.random.seed(5)
    np.testing.assert_array_equal(nn.Dropout(0.5)(la.ones(64, device="strict")).numpy(), first)


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_the_probability_of_dropout_is_checked(p):
    with pytest.raises(ValueError, match="Dropout: p is the probability"):
        nn.Dropout(p)
