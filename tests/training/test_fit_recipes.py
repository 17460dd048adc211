"""What makes a step beside model, loss and optimiser: weights, penalties, limits, averages, mixtures, sums."""

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn.utils.class_weight import compute_class_weight

import lamina as la
from lamina import nn, optim
from lamina.errors import DataError, ShapeError
from lamina.training import Callback, EarlyStopping, evaluate, fit
from lamina.training.mixup import mixing_share
from lamina.training.moving_average import WeightAverage

N = 52
INPUTS = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
VALUES = np.sin(INPUTS.sum(axis=1, keepdims=True))
LABELS = np.random.default_rng(1).integers(0, 3, N)
DESCENT = partial(optim.SGD, lr=0.1)
WEIGHTS = np.random.default_rng(2).integers(0, 4, N).astype(np.float64)
RARE = np.where(np.arange(N) < 5, 2, LABELS % 2)


def network(outputs=1):
    with la.random.use_generator(la.random.Generator(5)):
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs))


def trained(targets=VALUES, loss=nn.mse_loss, outputs=1, optimizer=DESCENT, data=None, **options):
    """Train, and return the history and the weights."""
    model = network(outputs)
    options = {"epochs": 3, "batch_size": 8, "seed": 3, "progress": False, "compile": False, **options}
    history = fit(model, data or (INPUTS, targets), loss=loss, optimizer=optimizer(model.parameters()), **options)
    return history, {name: value.numpy() for name, value in model.state_dict().items()}


def assert_close(first, second, rtol=1e-4, atol=1e-6):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=rtol, atol=atol, err_msg=name)


CLASSES = {"targets": LABELS, "loss": nn.cross_entropy, "outputs": 3}
RECIPES = [
    {"sample_weight": WEIGHTS},
    {"class_weight": "balanced", **CLASSES},
    {"class_weight": {0: 2.0, 2: 0.0}, "sample_weight": WEIGHTS, **CLASSES},
    {"class_weight": [1.0, 2.0, 3.0], **CLASSES, "loss": nn.CrossEntropyLoss(label_smoothing=0.1)},
    {"mixup": 0.3},
    {"mixup": 1.0, "class_weight": "balanced", **CLASSES},
    {"mixup": 0.2, "sample_weight": WEIGHTS},
    {"accumulate": 3},
    {"accumulate": 2, "mixup": 0.5, "ema": 0.8},
    {"accumulate": 4, "clip_norm": 0.1, "batch_size": 5, "sample_weight": WEIGHTS},
    {"accumulate": 50},
    {"l1": 0.01, "optimizer": partial(optim.SGD, lr=0.1, momentum=0.9)},
    {"l2": 0.1, "penalize_biases": True},
    {"l1": 0.01, "l2": 0.01, "accumulate": 2},
    {"clip_value": 0.01},
    {"clip_value": 0.05, "clip_norm": 0.1},
    {"ema": 0.9},
    {"ema": 0.99, "validation": 0.3, "early_stopping": 2, "metrics": ["mae"]},
]


@pytest.mark.parametrize("options", RECIPES)
def test_every_recipe_trains_compiled_as_it_does_operation_by_operation(options):
    options = {"optimizer": optim.Adam, **options}
    history, weights = trained(**options, compile=True)
    expected, expected_weights = trained(**options)
    assert history.keys() == expected.keys()
    for name in expected.keys() - {"seconds"}:
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-4, err_msg=name)
    assert_close(weights, expected_weights, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("options", RECIPES[::4])
def test_every_recipe_is_chosen_by_seed(options, compiled):
    la.random.seed(1)
    first = trained(**options, compile=compiled)[1]
    la.random.seed(2)
    np.testing.assert_equal(trained(**options, compile=compiled)[1], first)


# --- weights ---


def test_a_whole_weight_is_as_so_many_samples():
    rows = np.repeat(np.arange(N), WEIGHTS.astype(int))
    weighed = trained(sample_weight=WEIGHTS, batch_size=N)
    repeated = trained(data=(INPUTS[rows], VALUES[rows]), batch_size=len(rows))
    assert_close(weighed[1], repeated[1])
    np.testing.assert_allclose(weighed[0]["loss"], repeated[0]["loss"], rtol=1e-5)


def test_weights_are_relative_and_equal_ones_change_nothing():
    assert_close(trained(sample_weight=np.full(N, 7.0))[1], trained()[1])


def test_class_weights_of_a_whole_batch_are_those_of_the_loss():
    weights = np.array([0.5, 3.0, 1.0], np.float32)
    weighed = trained(class_weight=weights, batch_size=N, **CLASSES)[1]
    loss = partial(nn.cross_entropy, weight=la.asarray(weights))
    assert_close(weighed, trained(**{**CLASSES, "loss": loss}, batch_size=N)[1])


def test_balanced_weights_are_those_of_scikit_learn():
    table = compute_class_weight("balanced", classes=np.arange(3), y=RARE)
    options = {"targets": RARE, "loss": nn.cross_entropy, "outputs": 3}
    found = trained(class_weight="balanced", **options)[1]
    assert_close(found, trained(class_weight=dict(enumerate(table)), **options)[1])
    assert_close(found, trained(sample_weight=table[RARE], **options)[1])


def test_classes_may_be_zeros_and_ones_in_a_column_of_floats():
    targets = (VALUES > 0.3).astype(np.float32)
    loss = nn.binary_cross_entropy_with_logits
    found = trained(targets, loss, class_weight={1: 4.0})[1]
    assert_close(found, trained(targets, loss, sample_weight=np.where(targets[:, 0] > 0, 4.0, 1.0))[1])


def test_a_batch_without_weight_changes_nothing():
    weights = np.zeros(N)
    weights[-1] = 1.0
    steps = []

    class Watch(Callback):
        def on_batch_end(self, state):
            steps.append(state.model[0].weight.numpy())

    trained(sample_weight=weights, batch_size=13, shuffle=False, epochs=1, callbacks=[Watch()])
    np.testing.assert_array_equal(steps[0], network()[0].weight.numpy())
    assert not np.array_equal(steps[3], steps[2])


def test_the_validation_share_takes_its_weights_out_of_training():
    history, _ = trained(sample_weight=WEIGHTS, validation=0.25)
    assert np.isfinite(history["val_loss"]).all()


# --- penalties ---


def test_a_penalty_on_squares_is_weight_decay_of_the_weights_alone():
    def decayed(params):
        weights = [each for each in params if each.ndim == 2]
        biases = [each for each in params if each.ndim == 1]
        return optim.SGD([{"params": weights, "weight_decay": 0.2}, {"params": biases}], lr=0.1)

    assert_close(trained(l2=0.2)[1], trained(optimizer=decayed)[1])


def test_a_penalty_on_everything_is_weight_decay():
    decayed = partial(optim.SGD, lr=0.1, weight_decay=0.2)
    assert_close(trained(l2=0.2, penalize_biases=True)[1], trained(optimizer=decayed)[1])


def test_a_penalty_on_magnitudes_makes_needless_weights_small():
    X = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    model = nn.Linear(4, 1)
    fit(model, (X, X[:, :1] * 2), loss=nn.mse_loss, l1=0.1, epochs=100, seed=0, progress=False,
        optimizer=optim.SGD(model.parameters(), lr=0.02))  # fmt: skip
    found = np.abs(model.weight.numpy()[0])
    assert found[0] == pytest.approx(1.95, abs=0.02)  # 2 - l1 / (2 * variance)
    assert found[1:].max() < 0.01


def test_the_recorded_loss_is_without_penalty():
    assert trained(l2=5.0, batch_size=N, epochs=1)[0]["loss"] == trained(batch_size=N, epochs=1)[0]["loss"]


# --- limits of gradients ---


def test_clipped_elements_bound_a_step():
    model = network()
    before = [each.numpy() for each in model.parameters()]
    fit(model, (INPUTS, VALUES * 100), loss=nn.mse_loss, optimizer=optim.SGD(model.parameters(), lr=1.0), epochs=1,
        batch_size=N, clip_value=0.25, progress=False)  # fmt: skip
    changes = np.concatenate([np.abs(each.numpy() - was).ravel() for each, was in zip(model.parameters(), before)])  # noqa: B905
    assert changes.max() == pytest.approx(0.25, rel=1e-5)


# --- the average of the weights ---


def averaged(history, decay):
    average = history[0]
    for t, weights in enumerate(history[1:]):
        keep = min(decay, (1 + t) / (10 + t))
        average = keep * average + (1 - keep) * weights
    return average


@pytest.mark.parametrize("compiled", [False, True])
def test_training_ends_in_the_average_of_the_weights(compiled):
    class Watch(Callback):
        def __init__(self):
            self.steps = [network()[0].weight.numpy()]

        def on_batch_end(self, state):
            self.steps.append(state.model[0].weight.numpy())

    watch = Watch()
    _, weights = trained(ema=0.7, callbacks=[watch], compile=compiled, epochs=5)
    np.testing.assert_allclose(weights["0.weight"], averaged(watch.steps, 0.7), rtol=1e-5)
    # The steps themselves go on from the weights, not from their average.
    plain = Watch()
    trained(callbacks=[plain], compile=compiled, epochs=5)
    np.testing.assert_allclose(watch.steps, plain.steps, rtol=1e-4, atol=1e-6)


def test_the_average_is_what_is_validated_and_kept_as_the_best():
    class Measure(Callback):
        def __init__(self):
            self.losses = []

        def on_epoch_end(self, state, record):
            self.losses.append(evaluate(state.model, (INPUTS, VALUES), loss=nn.mse_loss)["loss"])

    measure, model = Measure(), network()
    history = fit(model, (INPUTS, VALUES), loss=nn.mse_loss, optimizer=optim.SGD(model.parameters(), lr=0.3), epochs=40,
                  seed=0, batch_size=4, ema=0.9, validation=(INPUTS, VALUES), early_stopping=4, callbacks=[measure],
                  progress=False)  # fmt: skip
    np.testing.assert_allclose(history["val_loss"], measure.losses, rtol=1e-6)
    found = evaluate(model, (INPUTS, VALUES), loss=nn.mse_loss)["loss"]
    assert found == pytest.approx(min(history["val_loss"]), rel=1e-6)


def test_without_restored_weights_training_ends_in_the_average_too():
    stopping = EarlyStopping(1, restore_best=False)
    model = network()
    history = fit(model, (INPUTS, VALUES), loss=nn.mse_loss, optimizer=optim.SGD(model.parameters(), lr=0.3), epochs=40,
                  batch_size=4, ema=0.9, validation=(INPUTS, VALUES), early_stopping=stopping, seed=0,
                  progress=False)  # fmt: skip
    found = evaluate(model, (INPUTS, VALUES), loss=nn.mse_loss)["loss"]
    assert found == pytest.approx(history["val_loss"][-1], rel=1e-6)


def test_an_average_goes_on_from_its_state():
    parameter = la.variable([1.0, 2.0])
    first, second = WeightAverage([parameter], 0.9), WeightAverage([parameter], 0.9)
    for value in (3.0, 5.0):
        parameter.assign(la.full((2,), value))
        first.update()
    with first.applied():
        second.load_state_dict(first.state_dict())
    for average in (first, second):
        parameter.assign(la.zeros((2,)))
        average.update()
    for name, value in first.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), second.state_dict()[name].numpy())


# --- mixtures ---


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 3.0, 50.0])
def test_shares_are_drawn_from_a_beta_distribution(alpha):
    like = la.zeros((1,), dtype="float64")
    draw = la.compile(lambda: mixing_share(alpha, like))
    with la.random.use_generator(la.random.Generator(4)):
        draw()
        shares = draw.repeat(4000).numpy()
    assert ((shares >= 0) & (shares <= 1)).all()
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_labels_mixed_by_their_losses_are_mixed_probabilities():
    hot = np.eye(3, dtype=np.float32)[LABELS]
    assert_close(trained(mixup=0.7, **CLASSES)[1], trained(hot, nn.cross_entropy, 3, mixup=0.7)[1])


def test_mixed_values_lie_between_those_they_are_mixed_of():
    seen = []

    def loss(outputs, targets):
        if outputs.tracked:
            seen.append(targets.numpy())
        return nn.mse_loss(outputs, targets)

    trained(loss=loss, mixup=1.0, batch_size=N, epochs=3)
    for values in seen:
        assert VALUES.min() <= values.min() <= values.max() <= VALUES.max()
        assert values.mean() == pytest.approx(VALUES.mean(), abs=1e-5)
        assert not np.isclose(np.sort(values, axis=0), np.sort(VALUES, axis=0)).all()


# --- larger batches in parts ---


@pytest.mark.parametrize("options", [{}, {"sample_weight": WEIGHTS}, {"l2": 0.1, "clip_norm": 0.2}, {"ema": 0.9}])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("batch_size", "accumulate"), [(4, 4), (5, 3), (1, 7), (8, 100)])
def test_accumulated_batches_are_a_larger_batch(batch_size, accumulate, compiled, options):
    parts, weights = trained(batch_size=batch_size, accumulate=accumulate, compile=compiled, **options)
    whole, expected = trained(batch_size=batch_size * accumulate, **options)
    np.testing.assert_allclose(parts["loss"], whole["loss"], rtol=1e-5)
    assert_close(weights, expected)


def test_accumulated_steps_are_counted_as_steps():
    seen = []

    class Watch(Callback):
        def on_batch_end(self, state):
            seen.append((state.step, state.samples, state.steps_per_epoch, state.batch_size))

    trained(batch_size=5, accumulate=4, epochs=1, callbacks=[Watch()])
    assert seen == [(1, 20, 3, 20), (2, 40, 3, 20), (3, 52, 3, 20)]


def test_weights_the_loss_does_not_depend_on_stay_when_gradients_are_added_up():
    class Idle(nn.Module):
        def __init__(self):
            self.used, self.idle = network(), nn.Linear(2, 2)

        def __call__(self, x):
            return self.used(x)

    for compiled in (False, True):
        model = Idle()
        before = model.idle.weight.numpy()
        fit(model, (INPUTS, VALUES), loss=nn.mse_loss, optimizer=optim.AdamW(model.parameters(), weight_decay=0.5),
            epochs=2, batch_size=8, accumulate=2, progress=False, compile=compiled)  # fmt: skip
        np.testing.assert_array_equal(model.idle.weight.numpy(), before)


# --- what cannot be ---


def without_reduction(outputs, targets):
    return nn.mse_loss(outputs, targets)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("sample_weight has shape \\[3\\]", {"sample_weight": [1.0, 2.0, 3.0]}),
        ("negative, NaN or infinite, or all are 0", {"sample_weight": np.full(N, -1.0)}),
        ("negative, NaN or infinite, or all are 0", {"sample_weight": np.zeros(N)}),
        ("give a number for each", {"sample_weight": "heavy"}),
        ("has no argument 'reduction'", {"sample_weight": WEIGHTS, "loss": without_reduction}),
        ("class_weight is for targets that are classes", {"class_weight": "balanced"}),
        ("class_weight is 'fair'", {"class_weight": "fair", **CLASSES}),
        ("a weight for 3; the classes are 0 to 2", {"class_weight": {3: 1.0}, **CLASSES}),
        ("class_weight has shape \\[2\\] for 3 classes", {"class_weight": [1.0, 2.0], **CLASSES}),
        ("weights are numbers from 0", {"class_weight": [1.0, -2.0, 1.0], **CLASSES}),
        ("mixup is 0", {"mixup": 0}),
        ("mixup is for inputs that are floats", {"mixup": 0.2, "data": (np.arange(N * 4).reshape(N, 4), VALUES)}),
        ("accumulate is 0", {"accumulate": 0}),
        ("l1 is -1", {"l1": -1}),
        ("l2 is 'much'", {"l2": "much"}),
        ("clip_value is 0", {"clip_value": 0}),
        ("ema is 1", {"ema": 1.0}),
        ("ema is True", {"ema": True}),
        ("max_seconds is 0", {"max_seconds": 0}),
        ("max_seconds is nan", {"max_seconds": math.nan}),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_an_error(message, options):
    with pytest.raises((DataError, ShapeError), match=message):
        trained(**options)


def test_a_model_of_vectors_has_nothing_to_penalise():
    class Vector(nn.Module):
        def __init__(self):
            self.w = la.variable([1.0, 1.0, 1.0, 1.0])

        def __call__(self, x):
            return (x * self.w).sum(axis=1, keepdims=True)

    with pytest.raises(DataError, match="penalize_biases=True"):
        fit(Vector(), (INPUTS, VALUES), loss=nn.mse_loss, l2=0.1, progress=False)
