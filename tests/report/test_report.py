"""A report is one page that holds everything, needs nothing and can be read by anyone."""

import re
from itertools import pairwise

import numpy as np
import pytest

from lamina.errors import CheckpointError, ShapeError
from lamina.report import ClassPredictions, ReportContent, ValuePredictions, describe_machine, write_report

MEGABYTE = 1_000_000

SCHEMA = [
    {"name": "age", "kind": "numeric", "missing": 2, "distinct": 60, "examples": [22, 38, 26]},
    {"name": "port", "kind": "categorical", "missing": 0, "distinct": 3, "examples": ["C", "Q", "S"]},
]


@pytest.fixture(scope="module")
def whole(page, history, classified, summary):
    """A report with everything in it."""
    return page(
        title="titanic-1",
        subtitle="classification of 'survived'",
        history=history(),
        scores={
            "training": {"count": 240, "accuracy": 0.95},
            "held out": {"count": 60, "accuracy": 0.9, "log_loss": 1},
        },
        predictions=classified(),
        model=summary,
        configuration={"source": "titanic.csv", "options": {"hidden": [64, 32], "dropout": 0.1, "patience": None}},
        machine={"processor": "a fast one", "cores": "2"},
        schema=SCHEMA,
        notes=["the column 'id' is left out"],
    )


@pytest.mark.parametrize(
    "text",
    [
        "titanic-1", "classification of 'survived'", "the column 'id' is left out",
        "90.00 %", "95.00 %", "log loss", "held out",
        "20 epochs in 10 seconds; the best was epoch 20 by validation loss",
        "Loss", "Accuracy", "Learning rate",
        "Confusion matrix", "class 2", "ROC curve", "Precision and recall", "Calibration",
        "Linear", "[1, 8]", "67",
        "age", "categorical", "22, 38, 26",
        "titanic.csv", "options.hidden", "64, 32",
        "a fast one",
    ],
)  # fmt: skip
def test_a_report_holds(whole, text):
    assert text in whole.text


def test_the_page_is_sound(whole):
    source = whole.source
    assert source.startswith("<!DOCTYPE html>")
    identifiers = re.findall(r'\sid="([^"]+)"', source)
    assert len(identifiers) == len(set(identifiers))
    # What is pointed at is there: sections, glyphs, clipping paths.
    for target in re.findall(r'(?:href="|url\()#([^")]+)', source):
        assert target in identifiers
    assert [each["charset"] for each in whole.all("meta") if "charset" in each] == ["utf-8"]


def test_the_page_needs_no_network_and_runs_nothing(whole):
    assert whole.all("script") == whole.all("link") == whole.all("img") == whole.all("iframe") == []
    for _, attributes in whole.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "xlink:href", "src", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,"))
    assert "@import" not in whole.source
    assert re.findall(r"url\((?!#)", whole.source) == []
    policy = [each["content"] for each in whole.all("meta") if "http-equiv" in each]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_the_page_can_be_read_without_seeing_it(whole):
    assert whole.all("html") == [{"lang": "en"}]
    assert len(whole.all("h1")) == len(whole.all("main")) == len(whole.all("nav")) == 1
    assert len(whole.all("caption")) == len(whole.all("table")) > 4
    assert all(each["scope"] in ("row", "col") for each in whole.all("th"))
    # Pictures are images with a title that says what they show.
    assert all(each["role"] == "img" for each in whole.all("svg"))
    assert len(re.findall(r"<svg[^>]*><title>[^<]+</title>", whole.source)) == len(whole.all("svg")) == 6
    levels = [int(tag[1]) for tag, _ in whole.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_is_for_light_and_dark_and_paper(whole):
    assert "prefers-color-scheme: dark" in whole.source
    assert "@media print" in whole.source
    # No picture brings a colour of its own: those of the page are named.
    pictures = "".join(re.findall(r"<svg.*?</svg>", whole.source, flags=re.DOTALL))
    assert set(re.findall(r"#[0-9a-f]{6}\b", pictures)) == set()
    named = set(re.findall(r"var\((--\w+)\)", pictures))
    assert named >= {"--c1", "--c2", "--muted", "--grid"}
    assert all(f"{name}:" in whole.source for name in named)


def test_the_same_report_is_the_same_file(tmp_path, classified):
    content = ReportContent("a run", predictions=classified())
    write_report(tmp_path / "first.html", content)
    write_report(tmp_path / "second.html", content)
    assert (tmp_path / "first.html").read_bytes() == (tmp_path / "second.html").read_bytes()


def test_an_empty_report_is_a_page(page):
    made = page(title="")
    assert made.all("section") == made.all("nav") == []
    assert "Written by Lamina" in made.text


def test_the_users_own_style_changes_nothing(tmp_path, history):
    import matplotlib

    write_report(tmp_path / "plain.html", ReportContent("a run", history=history()))
    with matplotlib.rc_context({"svg.fonttype": "none", "font.size": 30, "lines.linewidth": 9, "axes.facecolor": "k"}):
        write_report(tmp_path / "styled.html", ReportContent("a run", history=history()))
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "plain.html").read_bytes() == (tmp_path / "styled.html").read_bytes()


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path):
    old = tmp_path / "report.html"
    write_report(old, ReportContent("old"))
    before = old.read_bytes()
    with pytest.raises(CheckpointError, match="report: cannot write in the folder"):
        write_report(tmp_path / "none" / "report.html", ReportContent("new"))
    assert old.read_bytes() == before


# --- names that come from data ---

NASTY = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><b>", "</title>", "a & b", "$x^2$ $\\frac{",
    "日本語 🙂", "\x00\x1b[31m\x85", "\ud800", "_hidden", "{braces} %s", "right\u202eto left", "x" * 5000, "",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["few classes", "many classes", "values"])
def test_names_are_text_wherever_they_stand(page, history, classified, valued, kind):
    every = " ".join(NASTY)
    if kind == "values":
        predictions = valued(names=NASTY[:3])
    else:
        names = NASTY if kind == "few classes" else [*NASTY, *map(str, range(10))]
        predictions = classified(len(names), 60, names)
    made = page(
        title=every,
        subtitle=every,
        history=history(3, metric=every),
        scores={name: {name: 0.5} for name in NASTY},
        predictions=predictions,
        configuration={name: {name: [name]} for name in NASTY},
        machine={name: name for name in NASTY},
        schema=[{name: name, "kind": name} for name in NASTY],
        notes=NASTY,
    )
    assert made.all("script") == made.all("img") == made.all("b") == []
    assert not {key for _, attributes in made.elements for key in attributes if key.startswith("on")}
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", made.source) is None
    assert "日本語 🙂" in made.text
    assert "$x^2$ $\\frac{" in made.text


def test_text_is_shown_as_it_is(page):
    assert "<b>bold</b> & 'more'" in page(notes=["<b>bold</b> & 'more'"]).text


# --- sizes ---


def test_a_hundred_classes_and_a_long_training_stay_small(page, history, classified):
    made = page(history=history(5000), predictions=classified(100, 2000))
    assert len(made.source) < MEGABYTE
    assert "mean of 100 classes" in made.text
    assert "Most frequent mistakes" in made.text


def test_a_hundred_thousand_rows_stay_small(page, valued):
    made = page(predictions=valued(100_000))
    assert len(made.source) < MEGABYTE
    assert "1,000 of 100,000 points are drawn, those furthest off among them" in made.text


def test_hundreds_of_classes_and_columns_stay_small(page, classified):
    columns = [{"name": f"column {i}", "kind": "numeric"} for i in range(1000)]
    settings = {f"setting {i}": i for i in range(1000)}
    made = page(predictions=classified(300, 900), schema=columns, configuration=settings)
    assert len(made.source) < MEGABYTE
    assert "The first 500 of 1000 columns" in made.text
    assert "the 200 classes of 300 with the lowest F1" in made.text


# --- what is refused ---


@pytest.mark.parametrize(
    ("classes", "truth", "chances"),
    [
        (["a"], [0, 0], np.ones((2, 1))),
        (["a", "b"], [0, 1, 1], np.ones((2, 2))),
        (["a", "b"], [0, 1], np.ones((2, 3))),
        (["a", "b"], [0, 2], np.ones((2, 2))),
        (["a", "b"], [-1, 0], np.ones((2, 2))),
    ],
)
def test_answers_about_classes_must_fit_them(classes, truth, chances):
    with pytest.raises(ShapeError, match="report: "):
        ClassPredictions("test", classes, np.array(truth), chances)


@pytest.mark.parametrize(("truth", "values", "names"), [((3,), (4,), ["y"]), ((3, 2), (3, 2), ["y"]), ((), (), ["y"])])
def test_answers_about_values_must_fit(truth, values, names):
    with pytest.raises(ShapeError, match="report: truth of shape"):
        ValuePredictions("test", names, np.zeros(truth), np.zeros(values))


# --- the machine ---


def test_the_machine_is_described_without_its_name():
    import platform

    described = describe_machine()
    assert described["Python"] == platform.python_version()
    assert {"processor", "cores", "system", "Lamina", "numpy", "scikit-learn"} <= described.keys()
    assert all(isinstance(value, str) and value for value in described.values())
    assert platform.node() not in described.values()
