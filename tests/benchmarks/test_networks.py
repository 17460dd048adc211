"""Every framework has the same networks: the same weights, losses and gradients, in its own form."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as la
from benchmarks.architectures import Architecture, FeedForward, Floats, Transformer
from benchmarks.contender import load as contender
from benchmarks.networks import lamina as ours
from benchmarks.processes import environment
from benchmarks.worker import Runner
from benchmarks.workloads import Workload
from lamina import nn

ARCHITECTURES: list[tuple[Architecture, str]] = [
    (FeedForward((5, 4, 3)), "mse"),
    (FeedForward((32, 5, 3), image=(3, 8), channels=(6, 8)), "cross_entropy"),
    (Transformer(vocabulary=7, tokens=6, width=8, heads=2, blocks=1), "next_token"),
]
every_architecture = pytest.mark.parametrize(("architecture", "loss"), ARCHITECTURES, ids=lambda each: str(each)[:11])


def drawn(architecture: Architecture) -> dict[str, Floats]:
    """Return weights that tell everything apart: no zeros, no ones, and large enough for any GELU to be seen."""
    rng = np.random.default_rng(3)
    return {name: rng.normal(0.3, 0.6, array.shape).astype(np.float32) for name, array in architecture.arrays()}


def gradient_norms(model: nn.Module, loss: la.Tensor) -> dict[str, float]:
    """Return the norm of each gradient by Lamina, of query, key and value together, as the peers have them."""
    gradients, squares = loss.backward(), defaultdict[str, float](float)
    for name, variable in model.named_parameters():
        squares[re.sub(r"\.(query|key|value)\.", ".query_key_value.", name)] += np.sum(gradients[variable].numpy() ** 2)
    return {name: math.sqrt(square) for name, square in squares.items()}


def same_norms(ours: dict[str, float], theirs: dict[str, Any]) -> None:
    assert set(ours) == set(theirs)
    for name, norm in ours.items():
        assert float(theirs[name]) == pytest.approx(norm, rel=1e-5), name


@every_architecture
def test_arrays_have_the_names_and_shapes_of_lamina_s_state(architecture: Architecture, loss: str) -> None:
    state = ours.network(architecture).state_dict()
    shapes = {name: array.shape for name, array in architecture.arrays()}
    assert shapes == {name: each.shape for name, each in state.items()}


@every_architecture
def test_pytorch_computes_the_same(architecture: Architecture, loss: str) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.networks import torch as theirs

    arrays, (inputs, targets) = drawn(architecture), architecture.data(3, loss)
    model, reference = ours.network(architecture), theirs.network(architecture)
    ours.load(model, arrays.items())
    theirs.load(reference, arrays.items())
    expected = theirs.loss_function(loss)(reference(torch.from_numpy(inputs)), torch.from_numpy(targets))
    found = ours.loss_function(loss)(model(la.asarray(inputs)), la.asarray(targets))
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    expected.backward()
    same_norms(gradient_norms(model, found), {name: each.grad.norm() for name, each in reference.named_parameters()})


@every_architecture
def test_jax_computes_the_same(architecture: Architecture, loss: str) -> None:
    jax = pytest.importorskip("jax")
    pytest.importorskip("optax")
    from benchmarks.networks import jax as theirs

    arrays, (inputs, targets) = drawn(architecture), architecture.data(3, loss)
    model = ours.network(architecture)
    ours.load(model, arrays.items())
    forward, loss_function = theirs.network(architecture), theirs.loss_function(loss)

    def loss_of(parameters: theirs.Parameters) -> jax.Array:
        return loss_function(forward(parameters, theirs.inputs(architecture, inputs)), targets)

    expected, gradients = jax.jit(jax.value_and_grad(loss_of))(theirs.parameters(architecture, arrays.items()))
    found = ours.loss_function(loss)(model(la.asarray(inputs)), la.asarray(targets))
    assert found.item() == pytest.approx(float(expected), rel=1e-5)
    same_norms(gradient_norms(model, found), {name: np.linalg.norm(each) for name, each in gradients.items()})


@pytest.mark.parametrize(
    "name", ["scikit_learn", *(pytest.param(each, marks=pytest.mark.slow) for each in ("keras_jax", "tinygrad_jit"))]
)
@every_architecture
def test_other_peers_learn_the_same(
    name: str, architecture: Architecture, loss: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable, value in environment(1, tmp_path).items():
        monkeypatch.setenv(variable, value)
    small = Workload("small", architecture, 3, loss, lr=1e-3, optimizer="adamw" if loss == "next_token" else "adam")
    peer = contender(name)
    if peer.missing() or not peer.takes(small):
        pytest.skip(peer.missing() or "has no such layers")
    losses = {each: Runner(each, small).losses(5)["losses"] for each in ("lamina_eager", name)}
    np.testing.assert_allclose(losses[name], losses["lamina_eager"], rtol=1e-4)
    assert Runner(name, small).losses(5)["losses"] == losses[name]


def test_a_network_is_refused_weights_that_are_not_all_its_own() -> None:
    architecture = ARCHITECTURES[0][0]
    arrays = list(architecture.arrays())
    with pytest.raises(KeyError, match=r"2\.bias"):
        ours.load(ours.network(architecture), arrays[:-1])
    with pytest.raises(KeyError, match="more"):
        ours.load(ours.network(architecture), [*arrays, ("more", arrays[0][1])])


@pytest.mark.parametrize("name", ["torch_eager", "torch_fused", "jax_jit"])
def test_adamw_decays_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A decay that is seen at once: half of every weight in each step.
    small = Workload("small", ARCHITECTURES[0][0], 3, "mse", lr=1e-2, optimizer="adamw")
    if contender(name).missing():
        pytest.skip(contender(name).missing())
    losses = {}
    for each in ("lamina_eager", name):
        module = "torch_eager" if each == "torch_fused" else each
        monkeypatch.setattr(f"benchmarks.contenders.{module}.WEIGHT_DECAY", 50.0)
        step = contender(each).build(small).start()
        losses[each] = [float(step().item()) for _ in range(4)]
    np.testing.assert_allclose(losses[name], losses["lamina_eager"], rtol=1e-5)
