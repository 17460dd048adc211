"""A training that goes on from a checkpoint ends with the bits of one that never stopped."""

import shutil
from functools import partial

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.data import ArrayStream, ParquetStream
from lamina.optim import compiled_update, lr_scheduler
from lamina.training import Callback, Checkpoints, EarlyStopping, bulk, compiling, fit, programs

N = 28
INPUTS = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
VALUES = np.sin(INPUTS.sum(axis=1, keepdims=True))
LABELS = np.random.default_rng(1).integers(0, 3, N)
# Written after every step or, where steps run many at a time, as often as control returns.
OFTEN = {"every_seconds": 1e-9, "keep": 1000}


@pytest.fixture(autouse=True)
def short_calls(monkeypatch):
    """Let native calls take a few steps at most, whatever the machine."""
    monkeypatch.setattr(bulk, "CALL_SECONDS", 1e-5)


def network(outputs=1, dropout=0.0):
    with la.random.use_generator(la.random.Generator(5)):
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, outputs))


def setup(optimizer=optim.Adam, schedule=None, outputs=1, dropout=0.0, callbacks=(), early_stopping=None, **options):
    """Return a model, an optimiser and the other arguments of fit, made anew."""
    model = network(outputs, dropout)
    chosen = optimizer(model.parameters())
    options = {"loss": nn.mse_loss, "epochs": 3, "batch_size": 8, "seed": 3, "progress": False, **options}
    if schedule is not None:
        options["scheduler"] = schedule(chosen)
    if early_stopping is not None:
        options["early_stopping"] = early_stopping()
    targets = VALUES if outputs == 1 else LABELS
    return model, chosen, {"data": (INPUTS, targets), "callbacks": [make() for make in callbacks], **options}


def trained(checkpoint=None, resume=False, **asked):
    """Train, and return all that must come out the same: history, weights, optimiser, schedule."""
    model, optimizer, options = setup(**asked)
    data = options.pop("data")
    history = fit(model, data, optimizer=optimizer, checkpoint=checkpoint, resume=resume, **options)
    tensors = {**model.state_dict(), **optimizer.state_dict()}
    schedule = options.get("scheduler")
    return {
        **{name: getattr(value, "numpy", lambda value=value: np.asarray(value))() for name, value in tensors.items()},
        **{f"history {name}": np.asarray(history[name]) for name in history if name != "seconds"},
        "stopped": np.asarray(history.stopped),
        "schedule": np.asarray(str(None if schedule is None else schedule.state_dict())),
    }


def assert_same_bits(found, wanted, where):
    assert found.keys() == wanted.keys(), where
    for name in wanted:
        assert found[name].tobytes() == wanted[name].tobytes(), (where, name)


def assert_resumes(tmp_path, every=1, **asked):
    """From every checkpoint that a training writes, it goes on to the same end."""
    wanted = trained(**asked)
    everything = Checkpoints(tmp_path / "all", **OFTEN)
    assert_same_bits(trained(everything, **asked), wanted, "with checkpoints")
    files = everything.files()
    assert len(files) > 2
    for path in files[::every]:
        folder = tmp_path / path.stem
        folder.mkdir()
        shutil.copy(path, folder)
        assert_same_bits(trained(folder, resume=True, **asked), wanted, path.name)


# --- every optimiser, schedule and recipe, operation by operation and compiled ---


def muon_of_matrices(params):
    return optim.Muon([each for each in params if each.ndim == 2], lr=0.01)


OPTIMIZERS = [
    optim.SGD,
    partial(optim.SGD, lr=0.05, momentum=0.9, nesterov=True),
    optim.Adam,
    partial(optim.AdamW, lr=0.01),
    optim.AMSGrad,
    optim.Adamax,
    optim.NAdam,
    optim.RAdam,
    partial(optim.RMSprop, centered=True, momentum=0.5),
    optim.Adagrad,
    optim.Adadelta,
    optim.Lion,
    optim.LAMB,
    muon_of_matrices,
]


def test_every_optimiser_is_in_the_table():
    named = {each.func if isinstance(each, partial) else each for each in OPTIMIZERS} | {optim.Muon}
    kinds = {each for each in vars(optim).values() if isinstance(each, type) and issubclass(each, optim.Optimizer)}
    assert kinds - named == {optim.Optimizer}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_with_every_optimiser(optimizer, tmp_path):
    assert_resumes(tmp_path, optimizer=optimizer, compile=False)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_compiled_training_goes_on_with_every_optimiser(optimizer, tmp_path):
    assert_resumes(tmp_path, every=5, optimizer=optimizer, compile=True)


SCHEDULES = [
    partial(lr_scheduler.StepLR, step_size=1, gamma=0.5),
    partial(lr_scheduler.MultiStepLR, milestones=[1, 2]),
    partial(lr_scheduler.ConstantLR, factor=0.5, total_iters=2),
    partial(lr_scheduler.LinearLR, total_iters=3),
    partial(lr_scheduler.ExponentialLR, gamma=0.7),
    partial(lr_scheduler.PolynomialLR, total_iters=4),
    partial(lr_scheduler.LambdaLR, lr_lambda=lambda step: 1.0 / (step + 1)),
    partial(lr_scheduler.CosineAnnealingLR, T_max=5),
    partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=2),
    partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=13),
    lambda sgd: lr_scheduler.SequentialLR(
        sgd, [lr_scheduler.LinearLR(sgd, total_iters=2), lr_scheduler.ExponentialLR(sgd, 0.5)], milestones=[2]
    ),
    lambda sgd: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(sgd, 0.5), lr_scheduler.ExponentialLR(sgd, 0.5)]
    ),
    partial(lr_scheduler.ReduceLROnPlateau, factor=0.5, patience=0, threshold=0.5),
]
MOMENTUM = partial(optim.SGD, lr=0.1, momentum=0.9)


def test_every_schedule_is_in_the_table():
    made = {type(schedule(MOMENTUM(network().parameters()))) for schedule in SCHEDULES}
    kinds = {each for each in vars(lr_scheduler).values() if isinstance(each, type)}
    assert kinds - made == {lr_scheduler.LRScheduler}


@pytest.mark.parametrize("per", ["epoch", "step"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_training_goes_on_with_every_schedule(schedule, per, tmp_path):
    if getattr(schedule, "func", None) is lr_scheduler.ReduceLROnPlateau and per == "step":
        pytest.skip("waits for the loss of an epoch")
    assert_resumes(
        tmp_path, every=3, schedule=schedule, schedule_per=per, optimizer=MOMENTUM, compile=False, batch_size=10
    )


RECIPES = {
    "dropout": {"dropout": 0.4},
    "validation": {"dropout": 0.2, "validation": 0.3, "metrics": ["r2"]},
    "early stopping": {"early_stopping": partial(EarlyStopping, 1, min_delta=0.5), "epochs": 9, "validation": 0.3},
    "in order": {"shuffle": False},
    "whole": {"batch_size": N, "epochs": 5},
    "remainder": {"batch_size": 9},
    "clipped": {"clip_norm": 0.1, "l1": 0.01, "l2": 0.01},
    "averaged": {"ema": 0.9, "validation": 0.3},
    "accumulated": {"accumulate": 3, "batch_size": 4},
    "mixed": {"mixup": 0.4},
    "weighed": {"outputs": 3, "loss": nn.cross_entropy, "class_weight": "balanced", "metrics": ["accuracy"]},
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", RECIPES)
def test_training_goes_on_with_every_recipe(name, compiled, tmp_path):
    assert_resumes(tmp_path, every=5 if compiled else 1, compile=compiled, **RECIPES[name])


class Rows:
    """A stream of the samples."""

    name, input_shape = "rows", (4,)

    def __len__(self):
        return N

    def batches(self, batch_size, *, seed, epoch, start=0):
        order = np.arange(N) if seed is None else np.random.default_rng((seed, epoch)).permutation(N)
        for first in range(start * batch_size, N, batch_size):
            rows = order[first : first + batch_size]
            yield INPUTS[rows], VALUES[rows]


@pytest.mark.parametrize("compiled", [False, True])
def test_training_on_a_stream_goes_on(compiled, tmp_path):
    assert_resumes(tmp_path, every=3, data=Rows(), validation=Rows(), compile=compiled)


def parquet(folder):
    import polars

    table = {**{f"x{column}": INPUTS[:, column] for column in range(4)}, "y": VALUES[:, 0]}
    polars.DataFrame(table).write_parquet(folder / "samples.parquet", row_group_size=10)
    return ParquetStream(folder / "samples.parquet", "y")


def arrays(folder):
    np.save(folder / "inputs.npy", INPUTS)
    np.save(folder / "targets.npy", VALUES)
    return ArrayStream(folder / "inputs.npy", folder / "targets.npy")


@pytest.mark.parametrize("make", [parquet, arrays])
def test_training_on_files_goes_on(make, tmp_path):
    assert_resumes(tmp_path, every=2, data=make(tmp_path), compile=False)


# --- what decides whether steps are compiled, which shows in the last bits ---


def test_updates_become_compiled_at_the_same_step(tmp_path, monkeypatch):
    eagerly = trained(optimizer=muon_of_matrices, compile=False)
    monkeypatch.setattr(compiled_update, "PAYS", 5.0)
    assert trained(optimizer=muon_of_matrices, compile=False)["0.weight"].tobytes() != eagerly["0.weight"].tobytes()
    assert_resumes(tmp_path, optimizer=muon_of_matrices, compile=False)


def test_an_optimiser_that_was_used_before_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled_update, "PAYS", 5.0)

    def worn(params):
        muon = muon_of_matrices(params)
        for _ in range(3):
            muon.step((muon.param_groups[0]["params"][0] ** 2).sum().backward())
        return muon

    assert_resumes(tmp_path, optimizer=worn, compile=False)


@pytest.mark.parametrize("last_pays", [1.0, 1e9])
def test_steps_that_are_compiled_by_their_number_go_on(tmp_path, monkeypatch, last_pays):
    monkeypatch.setattr(compiling, "PAYS", 5.0)
    monkeypatch.setattr(bulk, "LAST_PAYS", last_pays)
    assert_resumes(tmp_path, every=4, validation=0.3, batch_size=9)


class Cycle(Callback):
    """Changes a setting in every epoch, as only a callback can."""

    def on_epoch_begin(self, state):
        state.optimizer.param_groups[0]["eps"] = 1e-8 * (1 + state.epoch)


def test_settings_that_never_stay_are_given_up_at_the_same_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "PAYS", 5.0)
    monkeypatch.setattr(programs, "_TRACES", 3)
    asked = {"optimizer": partial(optim.Adam, lr=0.1), "callbacks": [Cycle], "epochs": 4, "batch_size": 10}
    with pytest.warns(UserWarning, match="change again and again"):
        assert_resumes(tmp_path, **asked)


def test_a_loss_that_was_found_to_decide_by_values_is_not_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "PAYS", 5.0)

    def branching(outputs, targets):
        error = nn.mse_loss(outputs, targets)
        return error * 2 if error > 1 else error

    with pytest.warns(UserWarning, match="TracingError"):
        assert_resumes(tmp_path, every=4, loss=branching)


def test_more_epochs_do_not_change_how_steps_are_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "PAYS", 15.0)
    trained(tmp_path, epochs=3)
    found = trained(tmp_path, resume=True, epochs=6)
    assert_same_bits(found, trained(epochs=6, compile=False), "12 steps are not worth a program, 24 would be")


# --- random numbers ---


def test_without_a_seed_the_streams_of_the_checkpoint_go_on(tmp_path):
    la.random.seed(11)
    wanted = trained(seed=None, dropout=0.3, validation=0.3)
    following = la.random.uniform((3,)).numpy()
    la.random.seed(11)
    everything = Checkpoints(tmp_path / "all", **OFTEN)
    trained(everything, seed=None, dropout=0.3, validation=0.3)
    for path in everything.files()[::3]:
        (tmp_path / path.stem).mkdir()
        shutil.copy(path, tmp_path / path.stem)
        la.random.seed(99)
        found = trained(tmp_path / path.stem, resume=True, seed=None, dropout=0.3, validation=0.3)
        assert_same_bits(found, wanted, path.name)
        assert la.random.uniform((3,)).numpy().tobytes() == following.tobytes()


def test_with_a_seed_the_default_generator_is_left_alone(tmp_path):
    trained(tmp_path, dropout=0.3)
    before = la.random.default_generator().state_dict()
    trained(tmp_path, resume=True, dropout=0.3, epochs=5)
    assert la.random.default_generator().state_dict()["counter"].item() == before["counter"].item()


# --- what is changed outside of the model ---


class Scale(nn.Module):
    """A loss with a parameter of its own."""

    def __init__(self):
        self.scale = la.variable(0.5)

    def __call__(self, outputs, targets):
        return nn.mse_loss(outputs * self.scale, targets)


class Noise(nn.Module):
    """A layer that draws from a generator of its own."""

    def __init__(self):
        self.generator = la.random.Generator(4)

    def __call__(self, x):
        return x + 0.1 * self.generator.normal(x.shape) if self.training else x


@pytest.mark.parametrize("compiled", [False, True])
def test_parameters_of_the_loss_and_generators_of_layers_go_on(compiled, tmp_path):
    def run(checkpoint=None, resume=False):
        with la.random.use_generator(la.random.Generator(5)):
            model, loss, shift = nn.Sequential(nn.Linear(4, 1), Noise()), Scale(), la.variable(0.1, name="shift")
        adam = optim.Adam([*model.parameters(), *loss.parameters(), shift], lr=0.1)
        fit(model, (INPUTS, VALUES), loss=loss, optimizer=adam, epochs=3, batch_size=8, seed=0, progress=False,
            compile=compiled, checkpoint=checkpoint, resume=resume)  # fmt: skip
        return [
            each.numpy().tobytes() for each in (*model.parameters(), *loss.parameters(), model[1].generator.counter)
        ]

    everything = Checkpoints(tmp_path / "all", **OFTEN)
    wanted = run(everything)
    assert wanted == run()
    for path in everything.files()[::3]:
        (tmp_path / path.stem).mkdir()
        shutil.copy(path, tmp_path / path.stem)
        assert run(tmp_path / path.stem, resume=True) == wanted
