"""`lamina train` on a folder of images: a convolutional network that is measured, predicts and runs elsewhere."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.datasets import load_digits

Run = Callable[..., Any]
Results = Callable[[Path], dict[str, Any]]
KINDS = ("zero", "one", "two", "three")


def write_digits(folder: Path, images: slice, size: int | None = None) -> None:
    """Write scikit-learn's digits up to three as PNG, a folder for each."""
    digits = load_digits(n_class=len(KINDS))
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(*images.indices(len(digits.target))):
        image = Image.fromarray((digits.images[number] * 15.0).astype(np.uint8))
        image = image if size is None else image.resize((size, size))
        image.save(folder / KINDS[digits.target[number]] / f"{number}.png")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, invoke: Run) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_digits(folder / "digits", slice(0, 300))
    write_digits(folder / "others", slice(300, 400))
    options = ("--epochs", "5", "--width", "8", "--test", "0.2", "--augment", "crop,rotate", "--metrics", "f1_macro")
    ended = invoke(folder, "train", "digits", *options, "--out", "run")
    assert ended.code == 0, ended.err
    return folder


def test_digits_are_learned_from_a_folder(lamina: Run, trained: Path, results: Results) -> None:
    parts = results(trained / "run")["parts"]
    assert {name: part["count"] for name, part in parts.items()} == {"training": 192, "validation": 48, "test": 60}
    assert parts["test"]["accuracy"] > 0.9
    others = json.loads(lamina("evaluate", "run", "others", "--json").raw)
    assert others["count"] == 100
    assert others["scores"]["accuracy"] > 0.9
    again = json.loads(lamina("evaluate", "run", "--json").raw)
    assert again["scores"] == pytest.approx({name: each for name, each in parts["test"].items() if name != "count"})


def test_training_part_alone_says_what_is_standard(trained: Path) -> None:
    config = json.loads((trained / "run" / "config.json").read_text())
    everything = np.stack([np.asarray(Image.open(path)) for path in (trained / "digits").rglob("*.png")]) / 255.0
    assert config["mean"] == pytest.approx([everything.mean()], rel=0.05)
    assert config["mean"] != pytest.approx([everything.mean()], rel=1e-9)
    assert config["deviation"] == pytest.approx([everything.std()], rel=0.05)


def test_predictions_name_files_and_are_what_onnxruntime_answers(lamina: Run, trained: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    assert lamina("predict", "run", "others", "-o", "all.csv").code == 0
    assert lamina("export", "run", "-o", "model.onnx").code == 0
    table = pl.read_csv(trained / "all.csv")
    pixels = np.stack([np.asarray(Image.open(trained / file), np.float32)[None] / 255.0 for file in table["file"]])
    session = runtime.InferenceSession(trained / "model.onnx", providers=["CPUExecutionProvider"])
    labels, chances = session.run(None, {"image": pixels})
    assert table["predicted_class"].to_list() == labels.tolist()
    np.testing.assert_allclose(table.select(r"^probability_.*$").to_numpy(), chances, atol=1e-5)
    right = [Path(file).parent.name == said for file, said in zip(table["file"], table["predicted_class"], strict=True)]
    assert np.mean(right) == json.loads(lamina("evaluate", "run", "others", "--json").raw)["scores"]["accuracy"]
    one = lamina("predict", "run", table["file"][0], "-o", "-").raw
    assert one.splitlines()[1].startswith(f"{table['file'][0]},{table['predicted_class'][0]},")


def test_report_inspect_and_data_know_images(lamina: Run, trained: Path) -> None:
    assert lamina("report", "run").code == 0
    page = (trained / "run" / "report.html").read_text()
    for part in ("classification of images", "Conv2d", "three", "Standardize", "crop, rotate"):
        assert part in page
    inspected = lamina("inspect", "run").out
    assert "8 by 8, grey" in inspected
    assert lamina("inspect", "run", "--graph", "dot").code == 0
    assert json.loads(lamina("data", "others", "--json").raw)["classes"].keys() == set(KINDS)


@pytest.mark.parametrize(
    ("model", "options"), [("lenet5", ()), ("resnet18", ("--width", "4")), ("cnn", ("--depth", "1"))]
)
def test_networks_can_be_chosen(lamina: Run, tmp_path: Path, model: str, options: tuple[str, ...]) -> None:
    write_digits(tmp_path / "digits", slice(0, 40))
    ended = lamina("train", "digits", "--model", model, *options, "--epochs", "1", "--augment", "flip", "--out", "run")
    assert ended.code == 0, ended.err
    assert lamina("evaluate", "run", "digits").code == 0


def test_images_of_several_sizes_are_scaled_to_one(lamina: Run, tmp_path: Path) -> None:
    write_digits(tmp_path / "digits", slice(0, 20))
    write_digits(tmp_path / "digits", slice(20, 40), size=12)
    small = ("--epochs", "1", "--width", "2")
    told = lamina("train", "digits", *small, "--out", "run")
    assert "images of 2 sizes are scaled to 64 by 64" in told.out
    assert json.loads((tmp_path / "run" / "config.json").read_text())["size"] == [64, 64]
    assert lamina("train", "digits", *small, "--image-size", "9,8", "--out", "chosen").code == 0
    assert json.loads((tmp_path / "chosen" / "config.json").read_text())["size"] == [9, 8]


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    write_digits(tmp_path / "digits", slice(0, 60))
    ask = ("--width", "4", "--epochs", "6", "--checkpoint-epochs", "1", "--augment", "flip,crop,rotate,colour")
    command = [sys.executable, "-m", "lamina", "train", "digits", *ask]
    subprocess.run([*command, "--out", "whole"], check=True, cwd=tmp_path, capture_output=True)
    process = subprocess.Popen([*command, "--out", "cut"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(list((tmp_path / "cut").glob("checkpoints/epoch-*"))) < 2 and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    subprocess.run([sys.executable, "-m", "lamina", "train", "--resume", "cut"], check=True, cwd=tmp_path,
                   capture_output=True)  # fmt: skip
    whole, cut = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_a_search_over_what_the_data_depend_on_changes_the_data(lamina: Run, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    write_digits(tmp_path / "digits", slice(0, 60))
    search = ("--search", "image_size=8|12", "--trials", "4")
    ended = lamina("tune", "digits", "--width", "2", "--epochs", "1", *search, "--out", "tuned", "--json")
    assert ended.code == 0, ended.err
    losses = {trial["values"]["image_size"]: trial["value"] for trial in json.loads(ended.raw)["trials"]}
    assert len(losses) == len(set(losses.values())) == 2
    assert lamina("train", "--config", "tuned/best.toml", "--out", "best").code == 0


def one_class(folder: Path) -> None:
    for kind in KINDS[1:]:
        shutil.rmtree(folder / kind)


def unreadable(folder: Path) -> None:
    (folder / "zero" / "broken.png").write_bytes(b"no picture")


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def whole(folder: Path) -> None:
    """Leave everything as it is."""


REFUSED: dict[str, tuple[Callable[[Path], None], tuple[str, ...], str]] = {
    "one class": (one_class, (), "only those of 'zero'"),
    "no images": (empty, (), "at least two classes"),
    "a file that is no image": (unreadable, (), "broken.png: this image cannot be read"),
    "an unknown change": (whole, ("--augment", "flop"), "'flop' is not known (did you mean flip?)"),
    "a size of three numbers": (whole, ("--image-size", "8,8,8"), "give 1 to 2 numbers"),
    "a size that is not LeNet's": (
        whole,
        ("--model", "lenet5", "--image-size", "8"),
        "lenet5 takes images of 28 by 28",
    ),
    "too many stages": (whole, ("--depth", "4"), "4 stages halve images of 8 by 8 to nothing"),
    "dropout of a network without": (whole, ("--model", "resnet18", "--dropout", "0.1"), "resnet18 has none"),
    "a network for text": (whole, ("--model", "gpt"), "gpt is for text; for images there are cnn"),
    "an option for text": (whole, ("--context", "8"), "this is for text, and digits is a folder of images"),
    "a task that images do not have": (whole, ("--task", "regression"), "which are classified"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learned_is_refused_before_anything_is_made(lamina: Run, tmp_path: Path, case: str) -> None:
    change, options, message = REFUSED[case]
    write_digits(tmp_path / "digits", slice(0, 40))
    change(tmp_path / "digits")
    ended = lamina("train", "digits", *options, "--epochs", "1", "--out", "run")
    assert ended.code in (1, 2)
    assert message in ended.err
    assert not (tmp_path / "run").exists()


def test_images_that_do_not_fit_a_run_are_refused(lamina: Run, trained: Path) -> None:
    (trained / "others" / "zero").rename(trained / "others" / "nought")
    assert "'nought' is no class that the model knows" in lamina("evaluate", "run", "others").err
    (trained / "none").mkdir()
    assert "there are no images" in lamina("predict", "run", "none", "-o", "out.csv").err
    assert "there is no such file" in lamina("predict", "run", "nowhere", "-o", "out.csv").err
    assert "writes nothing" in lamina("generate", "run").err
