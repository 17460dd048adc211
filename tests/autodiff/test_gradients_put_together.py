"""Gradients that no sweep has returned: put together by variable, for optimisers and clipping to take."""

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim


def test_optimisers_take_gradients_that_were_put_together():
    w = la.variable([1.0, 2.0])
    optim.SGD([w], lr=0.5).step(la.Gradients({w: la.asarray([1.0, -1.0])}))
    assert w.tolist() == [0.5, 2.5]


def test_they_are_clipped_added_and_scaled_like_others():
    w = la.variable([3.0, 4.0])
    made = la.Gradients({w: la.asarray([3.0, 4.0])})
    clipped, norm = optim.clip_grad_norm(made, 1.0)
    assert norm.item() == 5.0
    assert clipped[w].tolist() == pytest.approx([0.6, 0.8], rel=1e-5)
    assert (made + (w * w).sum().backward())[w].tolist() == [9.0, 12.0]


@pytest.mark.parametrize("wrap", [lambda f: f, la.compile], ids=["eager", "compiled"])
def test_a_step_on_clipped_gradients_of_each_sample_is_pytorchs(wrap):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    x, labels = generator.normal(size=(6, 4)).astype(np.float32), generator.integers(0, 3, 6)
    theirs = torch.nn.Linear(4, 3)
    ours = nn.Linear(4, 3)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    descent = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    optimizer = optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)

    @wrap
    def step(x, labels):
        named = dict(ours.named_parameters())
        loss = lambda p, x, y: nn.cross_entropy(la.functional_call(ours, p, x[None]), y[None])  # noqa: E731
        each = la.vmap(la.grad(loss), in_axes=(None, 0, 0))(named, x, labels)
        norms = la.sqrt(sum((g**2).flatten(1).sum(1) for g in each.values()))
        share = (0.5 / norms).clip(max=1.0)
        optimizer.step(la.Gradients({named[k]: la.einsum("i,i...->...", share, g) for k, g in each.items()}))

    for _ in range(3):
        total = [torch.zeros_like(p) for p in theirs.parameters()]
        for sample, label in zip(torch.from_numpy(x), torch.from_numpy(labels), strict=True):
            loss = torch.nn.functional.cross_entropy(theirs(sample[None]), label[None])
            found = torch.autograd.grad(loss, list(theirs.parameters()))
            norm = torch.sqrt(sum((g**2).sum() for g in found))
            total = [a + g * (0.5 / norm).clamp(max=1.0) for a, g in zip(total, found, strict=True)]
        for parameter, g in zip(theirs.parameters(), total, strict=True):
            parameter.grad = g
        descent.step()
        step(la.asarray(x), la.asarray(labels))
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.numpy(), other.detach().numpy(), rtol=1e-5, atol=1e-6)


W = la.variable([1.0, 2.0], name="w")
WRONG = [
    ({"w": la.ones(1)}, la.GradientError, "expected a trainable variable"),
    ({W: la.ones(3)}, la.ShapeError, r"variable 'w' has shape \[2\], its gradient \[3\]"),
    ({W: la.ones(2, dtype="float64")}, la.DTypeError, "is float32, its gradient float64"),
    ({W: np.ones(2, np.float32)}, la.DTypeError, "expected a Tensor for variable 'w', got ndarray"),
]


@pytest.mark.parametrize(("given", "error", "message"), WRONG)
def test_what_is_no_gradient_of_its_variable_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        la.Gradients(given)


def test_gradients_become_one_vector():
    layer = nn.Linear(2, 1)
    grads = layer(la.asarray([[1.0, 2.0]])).sum().backward()
    assert nn.parameters_to_vector([grads[p] for p in layer.parameters()]).tolist() == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("wrap", [lambda f: f, la.compile], ids=["eager", "compiled"])
def test_functions_return_and_take_gradients(wrap):
    w = la.variable([1.0, 2.0])
    found = wrap(lambda x: la.Gradients({w: x * 2}))(la.asarray([1.0, 3.0]))
    assert found[w].tolist() == [2.0, 6.0]
    assert wrap(lambda grads: grads[w] + 1)(found).tolist() == [3.0, 7.0]
    assert wrap(lambda: (w * w).sum().backward())()[w].tolist() == [2.0, 4.0]
