"""The state of a loop of one's own in a file."""

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.errors import CheckpointError, DTypeError
from lamina.training import load_state, save_state

X = la.random.Generator(1).normal((16, 3))


class Loop:
    """A training with everything that has a state."""

    def __init__(self, seed, width=4):
        self.random = la.random.Generator(seed)
        with la.random.use_generator(self.random):
            self.model = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(0.3), nn.Linear(width, 1))
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.1)
        self.schedule = optim.OneCycleLR(self.optimizer, max_lr=0.2, total_steps=50)
        self.parts = {
            "model": self.model, "optimizer": self.optimizer, "schedule": self.schedule, "random": self.random
        }  # fmt: skip

    def losses(self, steps):
        with la.random.use_generator(self.random):
            return [self.step() for _ in range(steps)]

    def step(self):
        loss = (self.model(X) ** 2).mean()
        self.optimizer.step(loss.backward())
        self.schedule.step()
        return loss.item()


def test_a_loop_goes_on_bit_for_bit(tmp_path):
    first, again = Loop(0), Loop(5)
    first.losses(4)
    save_state(first.parts, tmp_path / "state")
    expected = first.losses(4)
    assert load_state(again.parts, tmp_path / "state") == {}
    assert again.losses(4) == expected


def test_numbers_and_texts_come_back(tmp_path):
    loop = Loop(0)
    rest = {
        "epoch": 3,
        "best": float("inf"),
        "classes": ["cat", "dog"],
        "mean": la.asarray([1.0, 2.0]),
        "nested": {"a": ()},
    }
    save_state({**loop.parts, **rest}, tmp_path / "state")
    found = load_state(loop.parts, tmp_path / "state")
    assert found.pop("mean").tolist() == [1.0, 2.0]
    del rest["mean"]
    assert found == rest


def test_what_is_not_given_comes_back_as_its_state(tmp_path):
    loop = Loop(0)
    save_state(loop.parts, tmp_path / "state")
    found = load_state({}, tmp_path / "state")
    assert set(found) == set(loop.parts)
    Loop(1).model.load_state_dict(found["model"])


def test_parts_that_do_not_fit_change_nothing(tmp_path):
    saved, other = Loop(0), Loop(1, width=5)
    save_state(saved.parts, tmp_path / "state")
    before = other.random.state_dict()["key"].item()
    with pytest.raises(CheckpointError, match="'model' does not fit"):
        load_state({"random": other.random, "model": other.model}, tmp_path / "state")
    assert other.random.state_dict()["key"].item() == before


def test_names_that_are_not_there_are_named(tmp_path):
    save_state({"epoch": 3}, tmp_path / "state")
    with pytest.raises(CheckpointError, match="holds epoch, and not model"):
        load_state({"model": nn.Linear(1, 1)}, tmp_path / "state")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda path: save_state(nn.Linear(1, 1), path), DTypeError, 'such as {"model": model'),
        (lambda path: save_state({"f": print}, path), CheckpointError, "f is of type builtin_function_or_method"),
        (lambda path: load_state({"epoch": 3}, path), DTypeError, "'epoch' is of type int, which has no state"),
        (lambda path: load_state({}, path / "none"), CheckpointError, "cannot be read"),
        (lambda path: la.save(Loop(0).optimizer, path), CheckpointError, "la.training.save_state"),
    ],
)
def test_wrong_use_says_what_fits(tmp_path, call, error, words):
    with pytest.raises(error, match=words):
        call(tmp_path)


def test_damaged_file_is_refused(tmp_path):
    path = tmp_path / "state"
    save_state({"x": np.arange(100)}, path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="checksum"):
        load_state({}, path)


def test_file_of_pytorchs_own_kind_is_told_how_to_get_in(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    theirs = torch.nn.Linear(2, 3)
    torch.save(theirs.state_dict(), path)
    mine = nn.Linear(2, 3)
    with pytest.raises(CheckpointError, match=r"torch\.load\(path, weights_only=True\)"):
        la.load(mine, path)
    mine.load_state_dict(torch.load(path, weights_only=True))
    np.testing.assert_array_equal(mine.weight.numpy(), theirs.weight.detach().numpy())
