"""Weights go to PyTorch and come back: the same files, names, types and shared tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.errors import CheckpointError
from lamina.training import read_metadata, read_state_dict

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

TYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16",
         "float32", "float64"]  # fmt: skip


class TheirNetwork(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.GELU(), torch.nn.Linear(5, 5, bias=False))
        self.head = torch.nn.Linear(5, 2)
        self.register_buffer("steps", torch.tensor(7))
        self.scales = torch.nn.ParameterList([torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(()))])

    def forward(self, x: Any) -> Any:
        return self.head(self.body(x)) * self.scales[0] + self.scales[1]


class OurNetwork(nn.Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.Linear(5, 5, bias=False))
        self.head = nn.Linear(5, 2)
        self.steps = la.variable(0, name="steps", trainable=False)
        self.scales = [la.variable([1.0, 1.0]), la.variable(1.0)]

    def __call__(self, x: Any) -> Any:
        return self.head(self.body(x)) * self.scales[0] + self.scales[1]


def test_the_same_model_has_the_same_names() -> None:
    assert OurNetwork().state_dict().keys() == TheirNetwork().state_dict().keys()


def test_weights_of_pytorch_load_and_compute_the_same(tmp_path: Path) -> None:
    theirs, ours = TheirNetwork(), OurNetwork()
    safetensors_torch.save_file(theirs.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    la.load(ours, tmp_path / "model.safetensors")
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(
        ours(la.asarray(x)).numpy(), theirs(torch.from_numpy(x)).detach().numpy(), rtol=1e-5, atol=1e-6
    )
    assert ours.steps.item() == 7
    assert read_metadata(tmp_path / "model.safetensors") == {"format": "pt"}


def test_weights_of_ours_load_in_pytorch_and_compute_the_same(tmp_path: Path) -> None:
    theirs, ours = TheirNetwork(), OurNetwork()
    la.save(ours, tmp_path / "model.safetensors", metadata={"author": "Åse"})
    theirs.load_state_dict(safetensors_torch.load_file(tmp_path / "model.safetensors"), strict=True)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(
        ours(la.asarray(x)).numpy(), theirs(torch.from_numpy(x)).detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_there_and_back_is_the_same_to_the_bit(tmp_path: Path) -> None:
    ours, again = OurNetwork(), OurNetwork()
    la.save(ours, tmp_path / "a.safetensors")
    safetensors_torch.save_file(safetensors_torch.load_file(tmp_path / "a.safetensors"), tmp_path / "b.safetensors")
    la.load(again, tmp_path / "b.safetensors")
    for name, value in ours.state_dict().items():
        assert value.numpy().tobytes() == again.state_dict()[name].numpy().tobytes()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_every_type_and_shape_goes_both_ways(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    values = torch.from_numpy(np.random.default_rng(0).integers(0, 2, shape).astype(np.int64)).to(getattr(torch, dtype))
    safetensors_torch.save_file({"x": values}, tmp_path / "theirs.safetensors")
    ours = read_state_dict(tmp_path / "theirs.safetensors")["x"]
    assert (ours.dtype.name, ours.shape) == (dtype, shape)
    la.save({"x": ours}, tmp_path / "ours.safetensors")
    back = safetensors_torch.load_file(tmp_path / "ours.safetensors")["x"]
    assert (back.dtype, tuple(back.shape)) == (values.dtype, shape)
    assert torch.equal(back, values)


def test_special_values_keep_their_bits(tmp_path: Path) -> None:
    values = torch.tensor([float("nan"), float("inf"), -0.0, 1e-40], dtype=torch.float32)
    safetensors_torch.save_file({"x": values}, tmp_path / "x.safetensors")
    assert read_state_dict(tmp_path / "x.safetensors")["x"].numpy().tobytes() == values.numpy().tobytes()


def test_what_is_not_contiguous_is_written_in_order(tmp_path: Path) -> None:
    wide = np.arange(12, dtype=np.float32).reshape(3, 4)
    views = {
        "transposed": wide.T,
        "stepped": wide[:, ::2],
        "reversed": wide[::-1],
        "broadcast": np.broadcast_to(wide[0], (2, 4)),
    }
    la.save(views, tmp_path / "views.safetensors")
    found = safetensors_torch.load_file(tmp_path / "views.safetensors")
    for name, view in views.items():
        np.testing.assert_array_equal(found[name].numpy(), view)
    la.save({"x": la.asarray(wide).T}, tmp_path / "tensor.safetensors")
    np.testing.assert_array_equal(safetensors_torch.load_file(tmp_path / "tensor.safetensors")["x"].numpy(), wide.T)


class TheirTied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = torch.nn.Linear(4, 4)
        self.decoder = torch.nn.Linear(4, 4)
        self.decoder.weight = self.encoder.weight


class OurTied(nn.Module):
    def __init__(self) -> None:
        self.encoder, self.decoder = nn.Linear(4, 4), nn.Linear(4, 4)
        self.decoder.weight = self.encoder.weight


def test_tied_weights_of_pytorch_load_whichever_name_is_in_the_file(tmp_path: Path) -> None:
    theirs, ours = TheirTied(), OurTied()
    safetensors_torch.save_model(theirs, str(tmp_path / "once.safetensors"))
    state = {name: value.clone() for name, value in theirs.state_dict().items()}
    safetensors_torch.save_file(state, tmp_path / "twice.safetensors")
    later = {name: value for name, value in state.items() if name != "encoder.weight"}
    safetensors_torch.save_file(later, tmp_path / "later.safetensors")
    for name in ("once", "twice", "later"):
        la.load(ours, tmp_path / f"{name}.safetensors")
        assert ours.decoder.weight is ours.encoder.weight
        np.testing.assert_array_equal(ours.decoder.weight.numpy(), theirs.encoder.weight.detach().numpy())
        ours.encoder.weight.assign(la.zeros((4, 4)))


def test_tied_weights_of_ours_load_in_pytorch(tmp_path: Path) -> None:
    theirs, ours = TheirTied(), OurTied()
    la.save(ours, tmp_path / "tied.safetensors")
    safetensors_torch.load_model(theirs, str(tmp_path / "tied.safetensors"))
    assert theirs.decoder.weight is theirs.encoder.weight
    np.testing.assert_array_equal(theirs.decoder.weight.detach().numpy(), ours.encoder.weight.numpy())


def test_tied_weights_that_differ_are_refused_and_nothing_changes(tmp_path: Path) -> None:
    ours = OurTied()
    before = ours.encoder.weight.numpy().copy()
    state = {name: torch.randn(value.shape) for name, value in TheirTied().state_dict().items()}
    safetensors_torch.save_file(state, tmp_path / "apart.safetensors")
    with pytest.raises(CheckpointError, match="one variable"):
        la.load(ours, tmp_path / "apart.safetensors")
    np.testing.assert_array_equal(ours.encoder.weight.numpy(), before)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "complex64"])
def test_types_that_are_not_here_are_refused_by_name(dtype: str, tmp_path: Path) -> None:
    safetensors_torch.save_file({"odd": torch.zeros(2, dtype=getattr(torch, dtype))}, tmp_path / "odd.safetensors")
    with pytest.raises(CheckpointError, match="'odd'"):
        read_state_dict(tmp_path / "odd.safetensors")


def test_headers_that_lie_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lies.safetensors"
    for header in (
        {"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]}},
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**60]}},
    ):
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0\0\0\0")
        with pytest.raises(CheckpointError):
            read_state_dict(path)
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError):
        read_state_dict(path)
