"""Functions that give their own derivative."""

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim

EAGER_AND_COMPILED = pytest.mark.parametrize("way", [lambda f: f, la.compile], ids=["eager", "compiled"])
X = np.array([[0.6, -1.2, 3.0], [2.0, 0.1, -0.7]], "float32")


@la.custom_gradient
def rounded(x):
    return la.round(x), lambda g: g


@la.custom_gradient
def log1pexp(x):
    """The numerically stable derivative of JAX's documentation."""
    e = x.exp()
    return (1 + e).log(), lambda g: g * (1 - 1 / (1 + e))


@la.custom_gradient
def scaled(x, w):
    y = x * w
    return y, lambda g: (g * w, (g * x).sum(axis=0))


@EAGER_AND_COMPILED
def test_gradient_is_the_one_given(way):
    found = way(la.grad(lambda x: (rounded(x) ** 2).sum()))(la.asarray(X))
    np.testing.assert_array_equal(found.numpy(), 2 * np.round(X))


@EAGER_AND_COMPILED
def test_stable_derivative_has_no_nan_and_a_second_one(way):
    def f(x):
        return log1pexp(x).sum()

    x = la.asarray([0.5, 80.0])
    assert way(la.grad(f))(la.asarray([100.0])).tolist() == [1.0]
    s = 1 / (1 + np.exp(-0.5))
    np.testing.assert_allclose(way(la.grad(f))(x).numpy(), [s, 1.0], rtol=1e-6)
    np.testing.assert_allclose(way(la.grad(lambda x: la.grad(f)(x)[0]))(x).numpy(), [s * (1 - s), 0.0], rtol=1e-5)


@EAGER_AND_COMPILED
def test_gradients_to_any_order_agree_with_pytorch(way):
    torch = pytest.importorskip("torch")

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 6 * x**2  # twice the true one, to be told from it

    @la.custom_gradient
    def cube(x):
        return x**3, lambda g: g * 6 * x**2

    def size_of_gradient(f):
        return lambda x: (la.grad(f)(x) ** 2).sum()

    x = torch.tensor(X, requires_grad=True)
    y = (Cube.apply(x) * x).sum()
    f = lambda x: (cube(x) * x).sum()  # noqa: E731
    for _ in range(3):
        y = (torch.autograd.grad(y, x, create_graph=True)[0] ** 2).sum()
        f = size_of_gradient(f)
    found = way(f)(la.asarray(X))
    np.testing.assert_allclose(found.item(), y.item(), rtol=1e-4)


@EAGER_AND_COMPILED
def test_variables_are_trained_through_it(way):
    w = la.variable([1.0, 2.0, 3.0])
    optimizer = optim.SGD([w], lr=0.1)

    @way
    def step(x):
        optimizer.step(scaled(x, w).sum().backward())

    step(la.asarray(X))
    np.testing.assert_allclose(w.numpy(), [1.0, 2.0, 3.0] - 0.1 * X.sum(axis=0), rtol=1e-6)


def test_gradient_goes_through_a_compiled_function_from_outside():
    w = la.variable([1.0, 2.0, 3.0])
    loss = la.compile(lambda x: rounded(scaled(x, w)).sum())(la.asarray(X))
    np.testing.assert_allclose(loss.backward()[w].numpy(), X.sum(axis=0), rtol=1e-6)


@EAGER_AND_COMPILED
@pytest.mark.parametrize("around", [lambda f: f, la.checkpoint], ids=["plain", "checkpoint"])
def test_it_works_in_loops(way, around):
    def total(x, w):
        def body(carry, row):
            carry = around(scaled)(carry, w) + rounded(row)[None]
            return carry, carry

        return la.scan(body, la.ones((1, 3)), x)[1].sum()

    x, w = la.asarray(X), la.asarray([1.0, 2.0, 0.5])
    found = way(la.grad(total, argnums=1))(x, w)
    first = w + rounded(x[0])
    np.testing.assert_allclose(found.numpy(), (1 + first + w).numpy(), rtol=1e-6)


def test_trees_go_in_and_out():
    @la.custom_gradient
    def f(pair, power):
        y = {"sum": pair["a"] + pair["b"], "count": 2, "power": pair["a"] ** power}

        def pull_back(g):
            assert g["count"] == 2
            return {"a": g["sum"] + 10 * g["power"], "b": g["sum"]}, None

        return y, pull_back

    a, b = la.variable([1.0]), la.variable([2.0])
    found = f({"a": a, "b": b}, 3)
    assert found["sum"].backward()[a].tolist() == [1.0]
    grads = (found["sum"] + 2 * found["power"]).backward()
    assert (grads[a].tolist(), grads[b].tolist()) == ([21.0], [1.0])


def test_what_has_no_derivative_may_be_done_by_numpy():
    @la.custom_gradient
    def sorted_by_numpy(x):
        order = np.argsort(x.numpy())
        return la.asarray(np.sort(x.numpy())), lambda g: g[np.argsort(order)]

    found = la.grad(lambda x: (sorted_by_numpy(x) * la.asarray([1.0, 2.0, 3.0])).sum())(la.asarray([5.0, 1.0, 3.0]))
    assert found.tolist() == [3.0, 1.0, 2.0]


def test_second_derivative_sees_the_random_numbers_of_the_first():
    @la.custom_gradient
    def noisy(x):
        scale = la.random.uniform(())
        return scale * x**2, lambda g: g * 2 * scale * x

    def f(x):
        return noisy(x)

    la.random.seed(0)
    first = la.grad(f)(la.asarray(1.0)).item()
    la.random.seed(0)
    assert la.grad(la.grad(f))(la.asarray(1.0)).item() == pytest.approx(first)


def test_without_recording_the_result_alone_is_computed():
    with la.no_grad():
        assert not rounded(la.variable([1.4])).tracked
    assert rounded(la.asarray([1.4])).tolist() == [1.0]


def test_a_layer_may_hold_it():
    class Quantised(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(3, 2)

        def __call__(self, x):
            return rounded(self.inner(x))

    model = Quantised()
    grads = model(la.asarray(X)).sum().backward()
    np.testing.assert_allclose(grads[model.inner.bias].tolist(), [2.0, 2.0])


W = la.variable([1.0], name="w")


@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (lambda x: x, la.DTypeError, r"returns \(y, pull_back\)"),
        (lambda x: (x, x), la.DTypeError, r"returns \(y, pull_back\)"),
        (lambda x: (x * W, lambda g: g), la.GradientError, "depends on variable 'w', which is no argument"),
        (lambda x: (x, lambda g: (g, g)), la.DTypeError, "a tree like it, of 1 leaves; got 2"),
        (lambda x: (x, lambda g: 1.0), la.DTypeError, "expected the gradient as a Tensor, got float"),
        (lambda x: (x, lambda g: g.sum()), la.ShapeError, r"the gradient has shape \[\], its argument \[1\]"),
        (lambda x: (x, lambda g: g.astype("float64")), la.DTypeError, "the gradient is float64, its argument float32"),
    ],
)
def test_what_is_returned_wrongly_is_named(f, error, words):
    with pytest.raises(error, match=words):
        la.grad(lambda x: la.custom_gradient(f)(x).sum())(la.asarray([2.0]))


def test_gradients_are_as_many_as_arguments():
    f = la.custom_gradient(lambda x, y: (x * y, lambda g: g))
    with pytest.raises(la.DTypeError, match="a tuple of 2 gradients, one for each argument"):
        la.grad(f)(la.asarray(1.0), la.asarray(2.0))
