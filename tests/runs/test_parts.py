"""How data are divided: what is too small for all parts is learned, and the user is told."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamina.data import Dataset, ImageStream
from lamina.runs.option_declaration import OptionError
from lamina.runs.options import TrainingOptions
from lamina.runs.subjects import Prepared, prepare

COUNTS = {"common": 20, "also common": 12, "a pair": 2, "single": 1}
NOTE = "2 classes have fewer {} than there are parts; they are in training alone, and not measured"


def table(folder: Path, shares: dict[str, float]) -> Prepared:
    rows = [f"{number},{name}" for name, count in COUNTS.items() for number in range(count)]
    (folder / "t.csv").write_text("x,kind\n" + "\n".join(rows) + "\n")
    return prepare(TrainingOptions.of({"file": str(folder / "t.csv"), "target": "kind", **shares}))


def images(folder: Path, shares: dict[str, float]) -> Prepared:
    for name, count in COUNTS.items():
        (folder / "photos" / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("L", (4, 4), 10 * number).save(folder / "photos" / name / f"{number}.png")
    return prepare(TrainingOptions.of({"file": str(folder / "photos"), **shares}))


def classes_in(part: object) -> set[int]:
    assert isinstance(part, Dataset | ImageStream)
    return set(np.asarray(part.targets).tolist())


@pytest.mark.parametrize(("make", "counted"), [(table, "rows"), (images, "images")])
@pytest.mark.parametrize("seed", range(4))
def test_a_class_too_small_for_all_parts_is_trained_on_with_a_note(
    tmp_path: Path, make: object, counted: str, seed: int
) -> None:
    prepared = make(tmp_path, {"test": 0.3, "validation": 0.3, "seed": seed})  # type: ignore[operator]
    common = {each for each, name in enumerate(sorted(COUNTS)) if COUNTS[name] > 2}
    assert classes_in(prepared.training) == set(range(len(COUNTS)))
    assert classes_in(prepared.validation) == classes_in(prepared.test) == common
    assert any(each.startswith(NOTE.format(counted)) and "'single' (1)" in each for each in prepared.notes)


@pytest.mark.parametrize("make", [table, images])
def test_no_note_where_every_class_is_large_enough(tmp_path: Path, make: object) -> None:
    prepared = make(tmp_path, {"test": 0.0, "validation": 0.0})  # type: ignore[operator]
    assert not any("not measured" in each for each in prepared.notes)


def test_a_part_for_which_no_class_is_large_enough_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,kind\n1,a\n2,b\n")
    with pytest.raises(OptionError, match=r"none of the .* classes has 2 rows.*0 for none"):
        prepare(TrainingOptions.of({"file": str(tmp_path / "t.csv"), "target": "kind"}))
