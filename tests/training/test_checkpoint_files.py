"""The files of checkpoints: what goes in comes out, and what is damaged is noticed."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import nn, optim
from lamina.errors import CheckpointError, LaminaError
from lamina.training import Checkpoints, fit
from lamina.training.checkpointing.format import from_bytes, to_bytes

FLOATS = st.floats(allow_nan=True, allow_infinity=True)
PLAIN = st.none() | st.booleans() | st.integers() | FLOATS | st.text()
TREES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner), max_leaves=8
)


def assert_equal(found, wanted):
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key in wanted:
            assert_equal(found[key], wanted[key])
    elif isinstance(wanted, list | tuple):
        assert len(found) == len(wanted)
        for mine, theirs in zip(found, wanted, strict=True):
            assert_equal(mine, theirs)
    elif isinstance(wanted, float):
        assert np.float64(found).tobytes() == np.float64(wanted).tobytes() or (found != found and wanted != wanted)
    else:
        assert found == wanted


@given(st.dictionaries(st.text(), TREES))
def test_states_come_back_as_they_were(state):
    assert_equal(from_bytes(to_bytes(state), "file").values, state)


LAID_OUT = {
    "rows": np.arange(24.0).reshape(2, 3, 4),
    "columns": np.asfortranarray(np.arange(24.0, dtype="float32").reshape(2, 3, 4)),
    "turned": np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0),
    "repeated": np.broadcast_to(np.arange(3.0), (4, 3)),
    "repeated columns": np.broadcast_to(np.arange(4.0)[:, None], (4, 3)),
    "constant": np.broadcast_to(np.float32(2.0), (2, 3)),
    "every second": np.arange(12.0)[::2],
    "empty": np.zeros((0, 3)),
    "number": np.array(1.5, "float32"),
    "truth": np.array([True, False]),
}


@pytest.mark.parametrize("name", LAID_OUT)
@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_arrays_come_back_laid_out_as_they_were(name, kind):
    wanted = LAID_OUT[name]
    held = la.Tensor(wanted, la.zeros(1)._backend) if kind == "tensor" else wanted
    found = from_bytes(to_bytes({"x": held}), "file").values["x"]
    assert isinstance(found, la.Tensor if kind == "tensor" else np.ndarray)
    found = found._data if kind == "tensor" else found
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert found.tobytes() == wanted.tobytes()
    # The order of axes in memory is the order in which NumPy adds up.
    order = [np.argsort(-np.abs(each.strides), kind="stable").tolist() for each in (found, wanted)]
    assert order[0] == order[1] or 0 in wanted.strides or wanted.ndim < 2


def test_sums_of_weights_that_lie_across_memory_come_out_the_same(tmp_path):
    """Clipping adds up all elements of the gradients, in the order in which they lie."""

    def run(checkpoint=None, resume=False, epochs=4):
        generator = np.random.default_rng(0)
        X, Y = generator.normal(size=(64, 37)).astype("float32"), generator.normal(size=(64, 41)).astype("float32")
        with la.random.use_generator(la.random.Generator(0)):
            model = nn.Linear(37, 41)
        model.weight.assign(la.Tensor(np.asfortranarray(model.weight.numpy()), la.zeros(1)._backend))
        sgd = optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
        fit(model, (X, Y), loss=nn.mse_loss, optimizer=sgd, epochs=epochs, seed=0, clip_norm=0.1, l2=0.1,
            progress=False, compile=False, checkpoint=checkpoint, resume=resume)  # fmt: skip
        return model.weight.numpy()

    run(tmp_path, epochs=2)
    assert run(tmp_path, resume=True).tobytes() == run().tobytes()


def test_what_is_shared_is_written_once_and_shared_again():
    weights = la.random.normal((100, 100))
    content = to_bytes({"model": {"w": weights}, "best": {"w": weights}})
    assert len(content) < 45_000
    found = from_bytes(content, "file").values
    assert found["model"]["w"] is found["best"]["w"]


def test_arrays_belong_to_whoever_reads_them():
    array = np.ones(3)
    found = from_bytes(to_bytes({"a": array, "b": array}), "file").values
    found["a"][0] = 5.0
    assert found["b"][0] == 1.0


def test_any_reader_of_safetensors_reads_a_checkpoint(line, linear, tmp_path):
    from safetensors.numpy import load_file

    fit(linear, line, loss=nn.mse_loss, epochs=1, progress=False, checkpoint=tmp_path)
    (path,) = Checkpoints(tmp_path).files()
    arrays = load_file(path)
    np.testing.assert_array_equal(arrays["parts/model/weight"], linear.weight.numpy())
    assert "parts/optimizer/state.0.exp_avg" in arrays


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"x": {1: 2}}, "x has the key 1"),
        ({"x": [object()]}, "x/0 is of type object"),
        ({"x": np.array(["a"])}, "x is an array of <U1"),
        ({"x": {"y": print}}, "x/y is of type builtin_function"),
    ],
)
def test_what_no_file_can_hold_is_named(state, words):
    with pytest.raises(CheckpointError, match=words):
        to_bytes(state)


# --- damage ---

WHOLE = to_bytes({"weights": la.asarray([1.0, 2.0, 3.0]), "epoch": 3, "name": "a run"})


@settings(max_examples=150)
@given(st.integers(0, 8 * len(WHOLE) - 1))
def test_no_flipped_bit_goes_unnoticed(bit):
    damaged = bytearray(WHOLE)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CheckpointError):
        from_bytes(bytes(damaged), "file")


@settings(max_examples=100)
@given(st.integers(0, len(WHOLE) - 1))
def test_no_missing_end_goes_unnoticed(length):
    with pytest.raises(CheckpointError):
        from_bytes(WHOLE[:length], "file")


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_what_is_no_checkpoint_is_refused(content):
    with pytest.raises(CheckpointError):
        from_bytes(content, "file")


@settings(max_examples=100)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 64), st.binary(max_size=64))
def test_no_overwritten_part_goes_unnoticed(start, length, written):
    damaged = WHOLE[:start] + written + WHOLE[start + length :]
    if damaged != WHOLE:
        with pytest.raises(CheckpointError):
            from_bytes(damaged, "file")


@pytest.fixture
def run(line):
    """Return a function that trains the same model on and returns its weights."""

    def trained(folder, epochs=4, resume=True):
        with la.random.use_generator(la.random.Generator(1)):
            model = nn.Linear(2, 1)
        checkpoints = Checkpoints(folder, every_epochs=1)
        fit(model, line, loss=nn.mse_loss, epochs=epochs, seed=0, progress=False, checkpoint=checkpoints, resume=resume)
        return model.weight.numpy()

    return trained


@pytest.fixture
def three(run, tmp_path):
    """A folder with the checkpoints of three epochs."""
    run(tmp_path, epochs=3)
    return tmp_path


def truncated(content):
    return content[: len(content) // 2]


def flipped(content):
    return content[:-9] + bytes([content[-9] ^ 4]) + content[-8:]


@pytest.mark.parametrize("damage", [truncated, flipped, lambda content: b""])
@pytest.mark.parametrize("count", [1, 2])
def test_the_checkpoint_before_a_damaged_one_is_used(damage, count, three, run, tmp_path_factory):
    files = Checkpoints(three).files()
    for path in files[-count:]:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match=f"going on from epoch-00000{3 - count}"):
        found = run(three)
    np.testing.assert_array_equal(found, run(tmp_path_factory.mktemp("other")))
    assert len(list(three.glob("*.damaged"))) == count
    run(three)  # and no warning any more


def test_a_folder_without_a_whole_checkpoint_is_refused(three, run):
    files = Checkpoints(three).files()
    for path in files:
        path.write_bytes(truncated(path.read_bytes()))
    with pytest.raises(CheckpointError, match=r"no whole checkpoint:\n.*epoch-000003"):
        run(three)
    assert Checkpoints(three).files() == files, "and they are left to whoever may save something of them"


def test_what_a_killed_writer_left_is_removed(three, run):
    remains = three / ".epoch-000004-batch-000000000.safetensors.0123abcd.part"
    remains.write_bytes(b"half")
    other = three / "notes.txt"
    other.write_text("mine")
    run(three)
    assert not remains.exists()
    assert other.exists()


def test_a_file_of_weights_is_no_checkpoint(three, run, linear):
    for path in Checkpoints(three).files():
        la.save(linear, path)
    with pytest.raises(CheckpointError, match="this is no checkpoint"):
        run(three)


def edited(content, change):
    """Return a whole file, with a checksum that is right, of a state that was changed."""
    state = from_bytes(content, "file").values
    change(state)
    return to_bytes(state)


def without(*path):
    def change(state):
        for name in path[:-1]:
            state = state[name]
        del state[path[-1]]

    return change


def with_value(value, *path):
    def change(state):
        for name in path[:-1]:
            state = state[name]
        state[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        without("parts"),
        without("configuration"),
        without("versions"),
        without("planned"),
        *(
            without("parts", name)
            for name in ("position", "history", "model", "optimizer", "random", "best", "updates")
        ),
        with_value(-1, "parts", "position", "epoch"),
        with_value("many", "parts", "position", "step"),
        with_value({}, "parts", "history"),
        with_value([1.0, 2.0], "parts", "history", "columns", "loss"),
        with_value(np.ones(2), "parts", "history", "columns", "loss"),
        with_value(np.ones(3), "parts", "history", "columns", "epoch"),
        with_value(np.full(3, np.nan), "parts", "history", "columns", "epoch"),
        with_value({}, "parts", "model"),
        with_value("none", "parts", "model", "weight"),
        with_value(la.zeros((9, 9)), "parts", "model", "weight"),
        with_value({"group.0.lr": 3}, "parts", "optimizer"),
        with_value([], "parts", "random", "keys"),
        with_value({"key": -1, "counter": 0}, "parts", "random", "layers"),
        with_value({"key": 2**70, "counter": 0}, "parts", "random", "layers"),
        with_value("x", "parts", "updates", "work"),
        with_value([[7]], "parts", "updates", "known"),
        with_value(None, "parts", "best", "model"),
        with_value({"Odd": {}}, "parts", "callbacks"),
        with_value(0, "planned"),
        with_value({}, "configuration"),
    ],
)
def test_a_forged_state_is_refused_and_changes_nothing(change, three, line):
    path = Checkpoints(three).files()[-1]
    for other in Checkpoints(three).files()[:-1]:
        other.unlink()
    path.write_bytes(edited(path.read_bytes(), change))
    with la.random.use_generator(la.random.Generator(1)):
        model = nn.Linear(2, 1)
    adam = optim.Adam(model.parameters())
    before = {name: np.asarray(value) for name, value in {**model.state_dict(), **adam.state_dict()}.items()}
    with pytest.raises(CheckpointError):
        fit(model, line, loss=nn.mse_loss, optimizer=adam, epochs=4, seed=0, progress=False, checkpoint=three,
            resume=True)  # fmt: skip
    for name, value in {**model.state_dict(), **adam.state_dict()}.items():
        np.testing.assert_array_equal(np.asarray(value), before[name])


def header_of(content):
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


def test_nothing_in_a_checkpoint_is_code(three):
    """Its metadata are texts of JSON, its arrays numbers."""
    content = Checkpoints(three).files()[-1].read_bytes()
    header = header_of(content)
    metadata = header.pop("__metadata__")
    assert sorted(metadata) == ["content", "format", "sha256", "version"]
    assert json.loads(metadata["content"])
    assert {entry["dtype"] for entry in header.values()} <= {"F32", "F64", "I64", "U64"}


@settings(max_examples=40)
@given(st.data())
def test_a_checkpoint_with_any_other_header_is_refused(data):
    """A wrong name, type or place of an array is no way in, whatever the checksum says."""
    import hashlib
    import re

    header = header_of(WHOLE)
    entry = header["weights"]
    entry[data.draw(st.sampled_from(["dtype", "shape", "data_offsets"]))] = data.draw(
        st.sampled_from(["F64", "I8", [4], [10**12], [0, 8], [0, 10**15], [8, 0], [], None, {}])
    )
    header["__metadata__"]["sha256"] = "0" * 64
    text = json.dumps(header, separators=(",", ":")).encode()
    forged = len(text).to_bytes(8, "little") + text + WHOLE[-12:]
    digest = hashlib.sha256(forged).hexdigest().encode()
    forged = re.sub(rb'("sha256":")0{64}', rb"\g<1>" + digest, forged)
    with pytest.raises(CheckpointError):
        from_bytes(forged, "file")


def test_errors_are_laminas_own(three, run):
    shutil.rmtree(three)
    three.write_text("a file")
    with pytest.raises(LaminaError, match="cannot write in"):
        run(three)
