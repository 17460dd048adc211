"""`lamina train` on a text: a language model that is measured, goes on after a stop, and writes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]
Results = Callable[[Path], dict[str, Any]]

SMALL = ("--width", "16", "--heads", "2", "--depth", "1", "--context", "8", "--batch-size", "8", "--epoch-steps", "20")
WRITTEN = "the cat sat on the mat; the dog lay by the log.\n" * 60


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, invoke: Run) -> Path:
    folder = tmp_path_factory.mktemp("text")
    (folder / "cat.txt").write_text(WRITTEN)
    ended = invoke(
        folder, "train", "cat.txt", *SMALL, "--epochs", "3", "--test", "0.1", "--tensorboard", "--out", "run"
    )
    assert ended.code == 0, ended.err
    (folder / "said.txt").write_text(ended.raw)
    return folder


def test_text_is_recognised_and_samples_are_shown(trained: Path) -> None:
    said = (trained / "said.txt").read_text()
    assert "cat.txt is taken for a text" in said
    assert [f"after epoch {n} it writes" in said for n in (1, 2, 3)] == [True] * 3
    samples = [json.loads(line) for line in (trained / "run" / "samples.jsonl").read_text().splitlines()]
    assert [each["epoch"] for each in samples] == [1, 2, 3]
    assert all(set(each["text"]) <= set(WRITTEN) and len(each["text"]) == 200 for each in samples)


def test_loss_perplexity_and_bits_say_the_same(trained: Path, results: Results) -> None:
    found = results(trained / "run")
    lines = [json.loads(line) for line in (trained / "run" / "metrics.jsonl").read_text().splitlines()]
    assert set(found["parts"]) == {"training", "validation", "test"}
    for part in found["parts"].values():
        assert part["perplexity"] == pytest.approx(np.exp(part["loss"]))
        assert part["bits_per_character"] == pytest.approx(part["loss"] / np.log(2))
    best = lines[found["best_epoch"] - 1]
    assert best["val_loss"] == pytest.approx(found["parts"]["validation"]["loss"], rel=1e-4)
    assert best["val_perplexity"] == pytest.approx(np.exp(best["val_loss"]), rel=1e-4)
    assert lines[-1]["val_loss"] < lines[0]["val_loss"]


def test_last_part_of_the_text_is_held_out(lamina: Run, trained: Path, results: Results) -> None:
    held_out = json.loads(lamina("evaluate", "run", "--json").raw)
    (trained / "last.txt").write_text(WRITTEN[-round(0.1 * len(WRITTEN)) :])
    again = json.loads(lamina("evaluate", "run", "last.txt", "--json").raw)
    assert again["scores"] == held_out["scores"]
    assert held_out["scores"] == pytest.approx(
        {name: value for name, value in results(trained / "run")["parts"]["test"].items() if name != "count"}
    )


def test_what_is_written_repeats_by_its_seed_and_goes_on_from_the_prompt(lamina: Run, trained: Path) -> None:
    ask = ("generate", "run", "--prompt", "the ", "--tokens", "30", "--top-k", "5", "--top-p", "0.9")
    one, same, other = (lamina(*ask, "--seed", seed).raw for seed in ("1", "1", "2"))
    assert one == same != other
    assert one.startswith("the ")
    assert len(one) == len("the ") + 30 + 1
    found = json.loads(lamina(*ask, "--json").raw)
    assert lamina(*ask, "--seed", str(found["seed"])).raw == f"the {found['text']}\n"


def test_report_inspect_and_board_know_a_text(lamina: Run, trained: Path) -> None:
    assert lamina("report", "run").code == 0
    page = (trained / "run" / "report.html").read_text()
    for part in ("a language model of characters", "After epoch 1", "perplexity", "CausalSelfAttention"):
        assert part in page
    assert "hidden" not in page
    inspected = lamina("inspect", "run")
    assert "characters; the model looks at 8" in inspected.out
    assert lamina("inspect", "run", "--graph", "mermaid").code == 0
    assert list((trained / "run" / "tensorboard").iterdir())


def test_exported_model_gives_the_same_logits(lamina: Run, trained: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    import lamina as la
    from lamina.runs.folder import RunFolder

    assert lamina("export", "run", "-o", "model.onnx").code == 0
    folder, config = RunFolder.open(trained / "run")
    tokens = np.random.default_rng(0).integers(0, 9, (3, 8))
    session = runtime.InferenceSession(trained / "model.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"tokens": tokens})
    np.testing.assert_allclose(folder.load_model(config, "cpu")(la.asarray(tokens)).numpy(), logits, atol=1e-4)


def test_bytes_and_a_tokenizers_file_serve_as_tokens(lamina: Run, tmp_path: Path, results: Results) -> None:
    library = pytest.importorskip("tokenizers")
    (tmp_path / "cat.md").write_text("né à Genève\n" * 20 + WRITTEN)
    words = library.Tokenizer(library.models.WordLevel({"[UNK]": 0, "the": 1, "cat": 2, "sat": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = library.pre_tokenizers.Whitespace()
    words.save(str(tmp_path / "words.json"))
    for tokens in ("bytes", "words.json"):
        run = f"run-{tokens}"
        ended = lamina("train", "cat.md", *SMALL, "--epochs", "1", "--tokenizer", tokens, "--out", run)
        assert ended.code == 0, ended.err
        # The run folder needs the tokeniser's file no more.
        (tmp_path / "words.json").rename(tmp_path / "away.json") if tokens == "words.json" else None
        assert lamina("generate", run, "--prompt", "the cat", "--tokens", "5").raw.startswith("the cat")
        assert lamina("evaluate", run, "cat.md").code == 0
    found = results(tmp_path / "run-bytes")["parts"]["training"]
    assert found["bits_per_character"] > found["loss"] / np.log(2)  # a character may have several bytes


def test_a_stopped_training_goes_on_to_the_same_bits(trained: Path, tmp_path: Path) -> None:
    ask = (*SMALL, "--epochs", "6", "--checkpoint-epochs", "1", "--dropout", "0.1", "--sample-tokens", "9")
    command = [sys.executable, "-m", "lamina", "train", "cat.txt", *ask]
    subprocess.run([*command, "--out", "whole"], check=True, cwd=tmp_path, capture_output=True)
    process = subprocess.Popen([*command, "--out", "cut"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(list((tmp_path / "cut").glob("checkpoints/epoch-*"))) < 2 and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    subprocess.run([sys.executable, "-m", "lamina", "train", "--resume", "cut"], check=True, cwd=tmp_path,
                   capture_output=True)  # fmt: skip
    for name in ("weights.safetensors", "samples.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


REFUSED: dict[str, tuple[str | bytes, tuple[str, ...], str]] = {
    "an empty text": ("", (), "the text is empty"),
    "a text shorter than the context": ("abc", ("--validation", "0"), "the text has 3 tokens; with --context"),
    "a text of one byte": ("a", (), "the text has 1 token; with --context"),
    "a held-out part shorter than the context": ("abcdefgh" * 9, (), "a share of 0.1 of 72 tokens is 7"),
    "what is not UTF-8": (b"good\nb\xff", (), "line 2 is not UTF-8"),
    "an unknown way to make tokens": (WRITTEN, ("--tokenizer", "words"), "there is no file 'words'"),
    "heads that do not divide the width": (WRITTEN, ("--heads", "3"), "16 is not divided by 3"),
    "a temperature below zero": (WRITTEN, ("--temperature", "-1"), "the temperature must be at least 0"),
    "a network for tables": (WRITTEN, ("--model", "mlp"), "mlp is for tables; for text there is gpt"),
    "an option for tables": (WRITTEN, ("--hidden", "8"), "this is for tables, and t.txt is a text"),
    "an option for images": (WRITTEN, ("--augment", "flip"), "this is for images, and t.txt is a text"),
    "a prompt with a strange character": (WRITTEN, ("--prompt", "日"), "'日' was not in the text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learned_is_refused_before_anything_is_made(lamina: Run, tmp_path: Path, case: str) -> None:
    content, options, message = REFUSED[case]
    (tmp_path / "t.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    ended = lamina("train", "t.txt", *SMALL, *options, "--out", "run")
    assert ended.code in (1, 2)
    assert message in ended.err
    assert not (tmp_path / "run").exists()


def test_text_asked_of_other_commands_is_refused_in_their_words(lamina: Run, trained: Path) -> None:
    assert "lamina generate RUN" in lamina("predict", "run", "cat.txt", "-o", "out.csv").err
    assert "leave it out, or train with --tokenizer bytes" in lamina("generate", "run", "--prompt", "Ω").err
    (trained / "strange.txt").write_text("Ω" * 50)
    assert "strange.txt: 'Ω' was not in the text" in lamina("evaluate", "run", "strange.txt").err
    assert "is for tables" in lamina("train", "cat.txt", "--ignore", "a").err


def test_a_named_target_or_task_makes_a_table_of_a_text_file(lamina: Run, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a,y\n" + "".join(f"{i},{i}.5\n" for i in range(30)))
    assert lamina("train", "t.txt", "-t", "y", "--epochs", "1", "--out", "run").code == 0
    assert lamina("train", "t.txt", "--task", "regression", "--epochs", "1", "--out", "other").code == 0
    assert lamina("generate", "run").code == 1


def test_configuration_of_a_text_repeats_the_run(lamina: Run, trained: Path) -> None:
    ended = lamina("train", "--config", "run/config.toml", "--out", "again", "--quiet")
    assert ended.code == 0, ended.err
    first, again = ((trained / name / "weights.safetensors").read_bytes() for name in ("run", "again"))
    assert first == again
    assert "hidden" not in (trained / "run" / "config.toml").read_text()
