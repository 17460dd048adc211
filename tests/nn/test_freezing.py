"""Variables and layers that are not trained for a while."""

import copy
import pickle

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim

EAGER_AND_COMPILED = pytest.mark.parametrize("way", [lambda f: f, la.compile], ids=["eager", "compiled"])


def network():
    la.random.seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    return model, la.random.normal((5, 3))


def stepping(model, optimizer):
    def step(x):
        loss = (model(x) ** 2).mean()
        optimizer.step(loss.backward())
        return loss

    return step


@EAGER_AND_COMPILED
def test_frozen_layer_stays_and_the_rest_learns_as_if_the_optimiser_had_never_seen_it(way):
    model, x = network()
    theirs = copy.deepcopy(model)
    model[0].freeze()
    step = way(stepping(model, optim.Adam(model.parameters(), lr=0.1)))
    other = stepping(theirs, optim.Adam(theirs[2].parameters(), lr=0.1))
    before = model[0].weight.numpy()
    for _ in range(3):
        np.testing.assert_allclose(step(x).item(), other(x).item(), rtol=1e-6)
    np.testing.assert_array_equal(model[0].weight.numpy(), before)


@EAGER_AND_COMPILED
def test_programs_notice_that_a_layer_was_frozen_and_set_free(way):
    model, x = network()
    step = way(stepping(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9)))
    step(x)
    for frozen in (True, False, True, False):
        model[0].freeze() if frozen else model[0].unfreeze()
        before = model[0].weight.numpy(), model[2].weight.numpy()
        step(x)
        assert (model[0].weight.numpy() == before[0]).all() == frozen
        assert not (model[2].weight.numpy() == before[1]).all()


def test_program_for_each_state_is_made_once():
    model, x = network()
    step = la.compile(stepping(model, optim.SGD(model.parameters(), lr=0.1)))
    for _ in range(3):
        step(x)
        model[0].freeze()
        step(x)
        model[0].unfreeze()
    assert step.traces == 2


def test_program_notices_a_frozen_variable_that_no_module_holds():
    variables = [la.variable([1.0]), la.variable([2.0])]

    @la.compile
    def both():
        grads = (variables[0] * variables[1]).sum().backward()
        return grads.wrt(variables[1]), len(grads)

    assert both()[1] == 2
    variables[0].trainable = False
    assert both()[1] == 1


def test_many_eager_steps_go_on_after_a_layer_is_frozen():
    model, x = network()
    step = stepping(model, optim.Adam(model.parameters(), lr=0.01))
    for _ in range(60):
        step(x)
    before = model[0].freeze().weight.numpy()
    for _ in range(60):
        step(x)
    np.testing.assert_array_equal(model[0].weight.numpy(), before)


def test_fit_leaves_frozen_layers():
    model, x = network()
    before = model[0].freeze().weight.numpy()
    last = model[2].weight.numpy()
    la.fit(model, (x, x[:, :1]), loss=nn.mse_loss, epochs=2, progress=False, l2=0.1, ema=0.9)
    np.testing.assert_array_equal(model[0].weight.numpy(), before)
    assert not (model[2].weight.numpy() == last).all()


def test_unfreezing_leaves_statistics_untrained():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    names = [name for name, _ in model.named_parameters()]
    assert model.freeze() is model
    assert model.parameters() == []
    assert sorted(model.state_dict()) == sorted([*names, "1.running_mean", "1.running_var", "1.num_batches_tracked"])
    assert [name for name, _ in model.unfreeze().named_parameters()] == names


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w))])
def test_copy_of_a_frozen_variable_is_frozen(copied):
    w = la.variable([1.0])
    w.trainable = False
    again = copied(w)
    assert not again.trainable
    again.trainable = True
    assert (again * 2.0).sum().backward()[again].tolist() == [2.0]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copy_of_a_frozen_model_is_set_free_by_unfreeze(copied):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    names = [name for name, _ in model.named_parameters()]
    again = copied(copied(model.freeze()))
    assert again.parameters() == []
    assert [name for name, _ in again.unfreeze().named_parameters()] == names
    assert model.parameters() == []


def test_what_was_computed_before_still_has_its_gradient():
    w = la.variable([3.0])
    loss = (w * w).sum()
    w.trainable = False
    grads = loss.backward()
    w.trainable = True
    assert grads[w].tolist() == [6.0]


def test_integers_cannot_be_trained():
    steps = la.variable(3, dtype="int64")
    with pytest.raises(la.DTypeError, match="int64, and only floating-point numbers are trained"):
        steps.trainable = True


def test_freezing_inside_of_a_compiled_function_is_refused():
    w = la.variable([1.0], name="w")

    @la.compile
    def frozen(x):
        w.trainable = False
        return w * x

    with pytest.raises(la.TracingError, match="'w' is frozen or set free before"):
        frozen(la.ones(1))
    assert w.trainable
