"""Text to numbers and back, and windows of it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import text


@given(st.text())
@settings(deadline=None, max_examples=25)
def test_bytes_give_any_text_back(written):
    tokenizer = text.ByteTokenizer()
    assert tokenizer.encode(written).tolist() == list(written.encode())
    assert tokenizer.decode(la.asarray(tokenizer.encode(written))) == written


@given(st.text(min_size=1))
@settings(deadline=None, max_examples=25)
def test_characters_give_their_text_back(written):
    tokenizer = text.CharacterTokenizer(written)
    numbers = tokenizer.encode(written)
    assert tokenizer.decode(numbers) == written
    assert set(numbers.tolist()) == set(range(tokenizer.vocabulary))
    assert text.CharacterTokenizer(tokenizer.characters).encode(written).tolist() == numbers.tolist()


def test_a_cut_character_becomes_a_sign():
    assert text.ByteTokenizer().decode([110, 195]) == "n�"


def test_what_is_not_known_is_refused_with_the_remedy():
    tokenizer = text.CharacterTokenizer("abc")
    with pytest.raises(la.DataError, match="'x' is not among the 3 characters known"):
        tokenizer.encode("abxy")
    with pytest.raises(la.DataError, match="tokens are numbered 0 to 2, got 1 to 3"):
        tokenizer.decode([1, 3])
    with pytest.raises(la.DataError, match="the numbers of one text"):
        tokenizer.decode(la.asarray([[1]]))
    with pytest.raises(la.DataError, match="the text is empty"):
        text.CharacterTokenizer("")


def test_a_file_of_the_library_is_read_as_the_library_reads_it(tmp_path):
    library = pytest.importorskip("tokenizers")
    made = library.Tokenizer(library.models.BPE())
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = library.decoders.ByteLevel()
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(["low lower lowest new newer newest"] * 5, trainer)
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizer = text.FileTokenizer(tmp_path / "tokenizer.json")
    assert tokenizer.vocabulary == made.get_vocab_size()
    assert tokenizer.encode("the lowest, né").tolist() == made.encode("the lowest, né").ids
    assert tokenizer.decode(tokenizer.encode("the lowest, né")) == "the lowest, né"


def test_files_that_are_missing_or_damaged_are_refused(tmp_path):
    pytest.importorskip("tokenizers")
    with pytest.raises(la.DataError, match="cannot be read"):
        text.FileTokenizer(tmp_path / "none.json")
    for content in ("{", json.dumps({"model": "x"}), "[]"):
        (tmp_path / "damaged.json").write_text(content)
        with pytest.raises(la.DataError, match="no file of a tokeniser"):
            text.FileTokenizer(tmp_path / "damaged.json")


@pytest.mark.parametrize("compiled", [False, True])
def test_targets_are_what_comes_next_in_the_text(compiled):
    windows = text.TextWindows(la.asarray(np.arange(50) * 3), length=7)
    run = la.compile(lambda: windows.batch(5)) if compiled else lambda: windows.batch(5)
    for _ in range(3):
        inputs, targets = run()
        assert inputs.shape == (5, 7)
        np.testing.assert_array_equal(targets.numpy(), inputs.numpy() + 3)
        assert 0 <= inputs.min().item() <= targets.max().item() <= 147


def test_every_place_is_drawn_and_consecutive_windows_cover_the_text():
    windows = text.TextWindows(la.arange(10), length=3)
    assert set(windows.batch(300)[0][:, 0].tolist()) == set(range(7))
    inputs, targets = windows.consecutive()
    assert inputs.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert targets[2].tolist() == [7, 8, 9]


@pytest.mark.parametrize("length", [0, 10, 11])
def test_windows_longer_than_the_text_are_refused(length):
    with pytest.raises(la.DataError, match="more than length="):
        text.TextWindows(la.arange(10), length=length)
