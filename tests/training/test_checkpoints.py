"""Weights in files: round trips, damage, full disks, files of others."""

import errno
import os
import resource
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import lamina as la
from lamina import files, training
from lamina.errors import CheckpointError

nn = pytest.importorskip("lamina.nn")

DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16",
          "float32", "float64")  # fmt: skip


def state_of(model):
    return {name: value.numpy() for name, value in model.state_dict().items()}


def assert_same_state(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.fixture
def model():
    la.random.seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# --- round trips ---


def test_a_saved_model_loads_into_another_of_its_kind(model, path):
    la.save(model, path)
    other = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    assert la.load(other, path) is None
    assert_same_state(state_of(other), state_of(model))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_every_type_and_shape_comes_back(dtype, shape, path):
    value = la.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2, dtype=dtype)
    la.save({"x": value}, path)
    back = training.read_state_dict(path)["x"]
    assert back.dtype is value.dtype
    assert back.shape == value.shape
    np.testing.assert_array_equal(back.astype("float64").numpy(), value.astype("float64").numpy())


@given(
    array=hnp.arrays(st.sampled_from([np.float32, np.float64, np.int64]), hnp.array_shapes(max_dims=3, max_side=5)),
    name=st.text(min_size=1, max_size=20).filter(lambda text: text != "__metadata__"),
)
@settings(deadline=None, max_examples=25)
def test_any_values_and_names_come_back(array, name, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "x.safetensors"
    la.save({name: array}, path)
    np.testing.assert_array_equal(training.read_state_dict(path)[name].numpy(), array)


def test_transposed_arrays_keep_their_values(path):
    array = np.arange(6.0).reshape(2, 3).T
    la.save({"x": array, "y": array[::2].astype(">f8")}, path)
    back = training.read_state_dict(path)
    np.testing.assert_array_equal(back["x"].numpy(), array)
    np.testing.assert_array_equal(back["y"].numpy(), array[::2])


def test_metadata_comes_back(path):
    la.save({"x": la.ones(2)}, path, metadata={"task": "regression", "ünï": "çödé"})
    assert training.read_metadata(path) == {"task": "regression", "ünï": "çödé"}
    la.save({"x": la.ones(2)}, path)
    assert training.read_metadata(path) == {}


def test_tensors_are_read_to_the_device_asked_for(path):
    la.save({"x": la.ones(2, device="strict")}, path)
    assert training.read_state_dict(path)["x"].device == "cpu"
    assert training.read_state_dict(path, device="strict")["x"].device == "strict"


def test_bfloat16_and_float16_models_load(path):
    for dtype in ("float16", "bfloat16"):
        first, second = (nn.Linear(3, 2, dtype=dtype) for _ in range(2))
        la.save(first, path)
        la.load(second, path)
        np.testing.assert_array_equal(first.weight.numpy(), second.weight.numpy())


# --- files of others ---


def test_weights_saved_by_pytorch_give_the_same_outputs(path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    save_file(theirs.state_dict(), path)
    ours = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    la.load(ours, path)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(la.asarray(x)).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_pytorch_reads_what_is_saved_here(model, path):
    pytest.importorskip("torch")
    from safetensors.torch import load_file

    la.save(model, path)
    assert_same_state({name: value.numpy() for name, value in load_file(path).items()}, state_of(model))


# --- files that do not fit or are damaged: the model stays as it was ---


def truncated(content):
    return content[:-1]


def cut_in_header(content):
    return content[:20]


def longer(content):
    return content + b"\0"


def huge_header(content):
    return struct.pack("<Q", 2**63) + content[8:]


def wrong_header(content):
    return content[:8] + b"x" * (len(content) - 8)


DAMAGES = {
    "truncated": truncated,
    "cut in the header": cut_in_header,
    "longer than it says": longer,
    "a huge header": huge_header,
    "no JSON": wrong_header,
    "empty": lambda content: b"",
    "a pickle": lambda content: b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01x\x94K\x01s.",
    "text": lambda content: b"hello, I am no file of weights at all\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_an_error_and_changes_nothing(damage, model, path):
    la.save(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), path)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    before = state_of(model)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not a whole safetensors file"):
        la.load(model, path)
    assert_same_state(state_of(model), before)
    for read in (training.read_state_dict, training.read_metadata):
        with pytest.raises(CheckpointError):
            read(path)


def test_every_truncation_is_noticed(path):
    la.save({"x": la.ones(3), "y": la.zeros((2, 2))}, path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            training.read_state_dict(path)


@pytest.mark.parametrize(
    "state",
    [
        {"0.weight": la.ones((4, 3))},
        {"0.weight": la.ones((4, 3)), "0.bias": la.ones(4), "2.weight": la.ones((2, 4)), "2.bias": la.ones(3)},
        {"weight": la.ones((4, 3))},
        {
            "0.weight": la.ones((4, 3)),
            "0.bias": la.ones(4, dtype="float64"),
            "2.weight": la.ones((2, 4)),
            "2.bias": la.ones(2),
        },
    ],
    ids=["missing", "misshapen", "other names", "other type"],
)
def test_weights_that_do_not_fit_are_an_error_and_change_nothing(state, model, path):
    la.save(state, path)
    before = state_of(model)
    with pytest.raises(CheckpointError, match="does not fit"):
        la.load(model, path)
    assert_same_state(state_of(model), before)


def test_names_of_one_side_are_allowed_when_not_strict(model, path):
    la.save({"0.bias": la.ones(4), "other": la.ones(1)}, path)
    la.load(model, path, strict=False)
    assert model.state_dict()["0.bias"].tolist() == [1.0] * 4


def test_a_type_that_is_not_here_is_named(path):
    header = b'{"x":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    with pytest.raises(CheckpointError, match="F8_E4M3"):
        training.read_state_dict(path)


@pytest.mark.parametrize("state", [{"x": "text"}, {"x": [1, 2]}, {1: la.ones(1)}, {"__metadata__": la.ones(1)}])
def test_what_is_no_tensor_is_not_saved(state, path):
    with pytest.raises(CheckpointError, match="save"):
        la.save(state, path)
    assert not path.exists()


@pytest.mark.parametrize("metadata", [{"epochs": 3}, {3: "epochs"}])
def test_metadata_that_is_no_text_is_refused(metadata, path):
    with pytest.raises(CheckpointError, match="metadata"):
        la.save({"x": la.ones(1)}, path, metadata=metadata)


# --- files that cannot be written or read ---


def test_a_missing_file_is_a_checkpoint_error(model, path):
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        la.load(model, path)


def test_a_missing_folder_is_a_checkpoint_error(model, path):
    with pytest.raises(CheckpointError, match="No such file"):
        la.save(model, path.parent / "nowhere" / "model.safetensors")


def test_a_folder_is_not_written_over(model, tmp_path):
    with pytest.raises(CheckpointError, match="is a folder"):
        la.save(model, tmp_path)


FAILURES = ("write", "fsync", "replace")


def full_disk(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupted(*arguments):
    raise KeyboardInterrupt


def break_step(monkeypatch, step, failure):
    if step == "write":

        class Failing:
            def __init__(self, descriptor, mode):
                self.descriptor = descriptor

            def __enter__(self):
                return self

            def __exit__(self, *_):
                os.close(self.descriptor)

            def write(self, content):
                os.write(self.descriptor, content[: len(content) // 2])
                failure()

        monkeypatch.setattr(files, "open", Failing, raising=False)
    else:
        monkeypatch.setattr(os, step, failure)


@pytest.mark.parametrize("step", FAILURES)
@pytest.mark.parametrize(("failure", "error"), [(full_disk, CheckpointError), (interrupted, KeyboardInterrupt)])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(step, failure, error, model, path, monkeypatch):
    la.save({"old": la.ones(3)}, path)
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        break_step(patched, step, failure)
        with pytest.raises(error, match="No space left on device" if error is CheckpointError else None):
            la.save(model, path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_device_that_is_really_full_is_a_checkpoint_error(model, path, monkeypatch):
    la.save({"old": la.ones(3)}, path)
    before = path.read_bytes()
    opened = os.open
    monkeypatch.setattr(os, "open", lambda name, flags, *mode: opened("/dev/full", os.O_WRONLY))
    with pytest.raises(CheckpointError, match="No space left on device"):
        la.save(model, path)
    assert path.read_bytes() == before


def test_a_limit_on_file_size_leaves_the_old_file(path):
    program = (
        "import resource, sys, lamina as la\n"
        "la.save({'x': la.ones(10)}, sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    la.save({'x': la.ones(10_000)}, sys.argv[1])\n"
        "except la.errors.CheckpointError as error:\n    print(error)\n"
    )
    assert signal.SIGXFSZ
    assert resource.RLIMIT_FSIZE is not None
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert "File too large" in done.stdout
    assert training.read_state_dict(path)["x"].shape == (10,)
    assert os.listdir(path.parent) == [path.name]


def test_a_new_file_has_the_permissions_of_any_new_file(model, path):
    la.save(model, path)
    other = path.with_name("other")
    other.write_text("")
    assert path.stat().st_mode == other.stat().st_mode


def test_a_symbolic_link_stays_one(model, path, tmp_path):
    link = tmp_path / "link.safetensors"
    link.symlink_to(path)
    la.save(model, link)
    assert link.is_symlink()
    la.load(model, path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_a_pipe_is_written_to_and_stays_a_pipe(path):
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        la.save({"x": la.ones(3)}, path)
        assert path.is_fifo()
        assert os.listdir(path.parent) == [path.name]
        path.with_name("copy").write_bytes(os.read(reader, 10_000))
    finally:
        os.close(reader)
    assert training.read_state_dict(path.with_name("copy"))["x"].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root could replace the device if this failed")
def test_a_full_device_is_an_error_that_names_it():
    with pytest.raises(CheckpointError, match="save: /dev/full could not be written: No space left on device"):
        la.save({"x": la.ones(3)}, "/dev/full")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda path: la.save(3, path), "save: expected a Module or a mapping of names to tensors, got int"),
        (lambda path: la.save(nn.Linear(2, 1), None), "save: the path is None"),
        (lambda path: la.load(3, path), "load: expected a Module, got int"),
        (lambda path: la.load(nn.Linear(2, 1), None), "load: the path is None"),
    ],
)
def test_things_of_the_wrong_kind_are_named(call, words, tmp_path):
    with pytest.raises(la.DTypeError, match=words):
        call(tmp_path / "model.safetensors")
