"""Training on a stream: the same as on samples in memory, read as they are needed."""

import subprocess
import sys
import tracemalloc
from dataclasses import dataclass, field

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.errors import DataError, TracingError
from lamina.training import Callback, bulk, compiling, evaluate, find_lr, fit
from lamina.training.streaming import is_stream

N = 50
INPUTS = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
VALUES = np.sin(INPUTS.sum(axis=1, keepdims=True))
LABELS = np.random.default_rng(1).integers(0, 3, N)


@dataclass
class Stream:
    """A stream of arrays in memory."""

    inputs: np.ndarray
    targets: np.ndarray
    name: str = "arrays"
    calls: list = field(default_factory=list)

    @property
    def input_shape(self):
        return self.inputs.shape[1:]

    def __len__(self):
        return len(self.inputs)

    def batches(self, batch_size, *, seed, epoch, start=0):
        self.calls.append((batch_size, seed, epoch, start))
        order = np.arange(len(self)) if seed is None else np.random.default_rng([seed, epoch]).permutation(len(self))
        for first in range(start * batch_size, len(self), batch_size):
            rows = order[first : first + batch_size]
            yield self.inputs[rows], self.targets[rows]


def network(outputs=1):
    with la.random.use_generator(la.random.Generator(5)):
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs))


def trained(data, loss=nn.mse_loss, outputs=1, **options):
    model = network(outputs)
    options = {"epochs": 3, "batch_size": 8, "seed": 3, "progress": False, "compile": False, **options}
    history = fit(model, data, loss=loss, optimizer=optim.Adam(model.parameters(), lr=0.01), **options)
    return history, [each.numpy() for each in model.parameters()]


def assert_alike(found, expected, rtol=1e-4):
    assert found[0].keys() == expected[0].keys()
    for name in expected[0].keys() - {"seconds"}:
        np.testing.assert_allclose(found[0][name], expected[0][name], rtol=rtol, err_msg=name)
    for first, second in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"metrics": ["mae"]}, {"validation": (INPUTS[:7], VALUES[:7]), "metrics": ["r2"]}, {"batch_size": 100},
     {"accumulate": 3}, {"accumulate": 2, "ema": 0.9, "l2": 0.01}],
)  # fmt: skip
def test_a_stream_in_its_own_order_trains_as_samples_in_memory(options, compiled):
    options = {**options, "shuffle": False}
    found = trained(Stream(INPUTS, VALUES), compile=compiled, **options)
    assert_alike(found, trained((INPUTS, VALUES), **options))


@pytest.mark.parametrize("options", [{}, {"mixup": 0.4}, {"accumulate": 2}])
def test_a_stream_trains_compiled_as_it_does_operation_by_operation(options):
    stream = Stream(INPUTS, VALUES)
    assert_alike(trained(stream, compile=True, **options), trained(stream, **options))


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0}])
def test_classes_of_a_stream_are_weighed_as_those_in_memory(class_weight):
    options = {"loss": nn.cross_entropy, "outputs": 3, "class_weight": class_weight, "shuffle": False}
    assert_alike(trained(Stream(INPUTS, LABELS), **options), trained((INPUTS, LABELS), **options))
    assert_alike(trained(Stream(INPUTS, LABELS), compile=True, **options), trained((INPUTS, LABELS), **options))


def test_a_stream_may_be_the_validation_set():
    expected = trained((INPUTS, VALUES), validation=(INPUTS[::2], VALUES[::2]), metrics=["mae"])
    for data in ((INPUTS, VALUES), Stream(INPUTS, VALUES)):
        history, _ = trained(data, validation=Stream(INPUTS[::2], VALUES[::2]), metrics=["mae"])
        assert history.keys() == expected[0].keys()
    assert_alike(
        trained((INPUTS, VALUES), validation=Stream(INPUTS[::2], VALUES[::2]), metrics=["mae"]), expected, rtol=1e-6
    )


def test_a_stream_is_evaluated():
    model = network()
    found = evaluate(model, Stream(INPUTS, VALUES), loss=nn.mse_loss, metrics=["r2"], batch_size=7)
    expected = evaluate(model, (INPUTS, VALUES), loss=nn.mse_loss, metrics=["r2"])
    assert found == pytest.approx(expected, rel=1e-5)


def test_every_epoch_has_an_order_of_its_own_chosen_by_seed():
    first, again, other = Stream(INPUTS, VALUES), Stream(INPUTS, VALUES), Stream(INPUTS, VALUES)
    trained(first), trained(again), trained(other, seed=4)
    orders = [call[1:] for call in first.calls if call[1] is not None]
    assert [epoch for _, epoch, _ in orders] == [1, 2, 3]
    assert len({seed for seed, _, _ in orders}) == 3
    assert first.calls == again.calls != other.calls


def test_a_learning_rate_is_found_on_a_stream():
    model = network()
    before = model[0].weight.numpy()
    assert len(find_lr(model, Stream(INPUTS, VALUES), loss=nn.mse_loss, steps=20, highest=0.1, seed=0).losses) == 20
    np.testing.assert_array_equal(model[0].weight.numpy(), before)


def test_steps_on_a_stream_are_compiled_when_there_are_many(monkeypatch):
    taken = []
    take = bulk.EagerSteps.take
    monkeypatch.setattr(bulk.EagerSteps, "take", lambda self, batch: taken.append(len(batch)) or take(self, batch))
    monkeypatch.setattr(compiling, "PAYS", 10.0)
    trained(Stream(INPUTS, VALUES), compile="auto")
    assert taken == [8]  # the first of all


def test_a_stream_trains_in_bounded_memory():
    """Of 64 MiB that are made as they are read, a few batches are held at a time."""

    class Made(Stream):
        def __len__(self):
            return 2**16

        @property
        def input_shape(self):
            return (256,)

        def batches(self, batch_size, *, seed, epoch, start=0):
            numbers = np.random.default_rng(0)
            for _ in range(start, len(self) // batch_size):
                inputs = numbers.standard_normal((batch_size, 256), np.float32)
                yield inputs, inputs[:, :1]

    model = nn.Linear(256, 1)
    for compiled in (False, True):
        tracemalloc.start()
        fit(model, Made(INPUTS, VALUES), loss=nn.mse_loss, epochs=1, batch_size=512, metrics=["mse"], progress=False,
            compile=compiled)  # fmt: skip
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 * 2**20


def branching(outputs, targets):
    error = nn.mse_loss(outputs, targets)
    return error * 2 if error > 1 else error


def test_a_step_on_a_stream_that_cannot_be_compiled_says_so(monkeypatch):
    monkeypatch.setattr(compiling, "PAYS", 1.0)
    with pytest.warns(UserWarning, match=r"(?s)operation by operation.*if error > 1") as caught:
        found = trained(Stream(INPUTS, VALUES), loss=branching, compile="auto")
    assert [each.filename for each in caught] == [__file__]
    assert_alike(found, trained(Stream(INPUTS, VALUES), loss=branching))
    with pytest.raises(TracingError, match="if error > 1"):
        trained(Stream(INPUTS, VALUES), loss=branching, compile=True)


def test_what_a_stream_reads_is_checked_as_it_is_read():
    holes = INPUTS.copy()
    holes[20, 1] = np.nan
    with pytest.raises(DataError, match="NaN or infinity in 1 of 8 samples"):
        trained(Stream(holes, VALUES), shuffle=False)


@pytest.mark.parametrize("change", [-8, 8])
def test_a_stream_that_changes_its_length_is_an_error(change):
    class Wrong(Stream):
        def __len__(self):
            return N + change

    stream = Wrong(INPUTS, VALUES)
    stream.batches = lambda *args, **kwargs: Stream.batches(Stream(INPUTS, VALUES), *args, **kwargs)
    with pytest.raises(DataError, match=f"gave 50 samples and has {N + change}"):
        trained(stream)


@pytest.mark.parametrize(
    ("message", "data", "options"),
    [
        ("is empty", Stream(INPUTS[:0], VALUES[:0]), {}),
        ("a share of a stream", Stream(INPUTS, VALUES), {"validation": 0.2}),
        ("sample_weight is for samples in memory", Stream(INPUTS, VALUES), {"sample_weight": np.ones(N)}),
    ],
)
def test_what_a_stream_cannot_is_an_error(message, data, options):
    with pytest.raises(DataError, match=message):
        trained(data, **options)


def test_a_pair_is_no_stream():
    assert is_stream(Stream(INPUTS, VALUES))
    assert not is_stream((INPUTS, VALUES))
    assert not is_stream(la.data.load_embedded("digits"))


@pytest.mark.parametrize("options", [{}, {"compile": True}, {"class_weight": "balanced"}])
def test_arrays_in_files_are_trained_on(tmp_path, options):
    np.save(tmp_path / "x.npy", INPUTS)
    np.save(tmp_path / "y.npy", LABELS)
    stream = la.data.ArrayStream(tmp_path / "x.npy", tmp_path / "y.npy")
    options = {"loss": nn.cross_entropy, "outputs": 3, "metrics": ["accuracy"], "validation": stream, **options}
    in_order = {**options, "shuffle": False}
    assert_alike(trained(stream, **in_order), trained((INPUTS, LABELS), **in_order))
    np.testing.assert_array_equal(trained(stream, **options)[1][0], trained(stream, **options)[1][0])


LARGE = """
import resource, sys
import lamina as la
from lamina import nn, optim
stream = la.data.ParquetStream(sys.argv[1], "y")
model = nn.Sequential(nn.Linear(29, 32), nn.ReLU(), nn.Linear(32, 1))
history = la.fit(model, stream, loss=nn.mse_loss, optimizer=optim.Adam(model.parameters(), lr=0.01), epochs=1,
                 batch_size=1024, metrics=["r2"], seed=0, progress=False)
print(history["r2"][-1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.slow
def test_two_million_rows_train_with_less_than_a_gibibyte(tmp_path):
    import polars as pl

    rows, numbers = 2_000_000, np.random.default_rng(0)
    columns = {f"x{at}": numbers.standard_normal(rows, np.float32) for at in range(29)}
    columns["y"] = columns["x0"] - 2 * columns["x1"] + 0.1 * columns["x2"]
    pl.DataFrame(columns).write_parquet(tmp_path / "large.parquet", row_group_size=100_000)
    del columns
    ended = subprocess.run([sys.executable, "-c", LARGE, str(tmp_path / "large.parquet")], capture_output=True,
                           text=True, check=True, timeout=500)  # fmt: skip
    r2, gibibytes = map(float, ended.stdout.split())
    assert r2 > 0.99
    assert gibibytes < 1.0


class Ask(Callback):
    def on_batch_end(self, state):
        if state.step == 3:
            state.request_stop("enough")


def test_a_stream_is_left_when_training_stops():
    stream = Stream(INPUTS, VALUES)
    history, _ = trained(stream, callbacks=[Ask()])
    assert history.stopped == "enough"
    assert [call[2] for call in stream.calls if call[1] is not None] == [1]
