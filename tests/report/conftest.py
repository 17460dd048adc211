"""What the tests of reports share."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from lamina import nn
from lamina.report import ClassPredictions, ReportContent, ValuePredictions, write_report
from lamina.training import EpochRecord, History

VOID = {"meta", "br", "hr", "img", "link"}


class Page(HTMLParser):
    """A page as Python's own parser reads it: its elements, texts and identifiers, and whether tags are balanced."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.source, self.open, self.elements, self.texts = source, [], [], []
        self.feed(source)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Return a function that writes a report and returns it as read from its file."""

    def write(**content):
        path = tmp_path_factory.mktemp("report") / "report.html"
        write_report(path, ReportContent(**{"title": "a run", **content}))
        return Page(path.read_text(encoding="utf-8"))

    return write


@pytest.fixture(scope="module")
def history():
    """Return a function that makes a training of some epochs."""

    def make(epochs=20, metric="accuracy"):
        made = History("val_loss")
        for epoch in range(1, epochs + 1):
            loss = 1.0 / epoch
            made.append(EpochRecord(epoch, loss, 0.1 / epoch, 0.5, loss + 0.001 * epoch, {f"val_{metric}": 1 - loss}))
        return made

    return make


@pytest.fixture(scope="module")
def classified():
    """Return a function that makes the answers of a classifier that is often right."""

    def make(classes=3, rows=60, names=None):
        generator = np.random.default_rng(0)
        truth = generator.integers(0, classes, rows)
        logits = generator.normal(size=(rows, classes)) + 2.0 * np.eye(classes)[truth]
        powers = np.exp(logits)
        chances = powers / powers.sum(axis=1, keepdims=True)
        return ClassPredictions("held out", names or [f"class {i}" for i in range(classes)], truth, chances)

    return make


@pytest.fixture(scope="module")
def valued():
    """Return a function that makes the answers of a regression that is nearly right."""

    def make(rows=60, names=("price",)):
        generator = np.random.default_rng(0)
        truth = generator.normal(size=(rows, len(names)))
        return ValuePredictions("validation", names, truth, truth + 0.1 * generator.normal(size=truth.shape))

    return make


@pytest.fixture(scope="module")
def summary():
    """The layers of a small model."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 3))).summary((1, 4))
