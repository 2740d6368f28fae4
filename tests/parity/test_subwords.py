"""CLIP's own vocabulary of 49,408 pieces, read by our tokenizer, against the code that came with CLIP.

Both come with open_clip: its ``tokenizer.py`` is loaded by path (importing the package would need torchvision), and
``ftfy``, which repairs broken characters before the cutting, is replaced by nothing where it is not installed.
"""

import importlib.util
import json
import sys
import types
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.hub import TextTokenizer

TEXTS = [
    "a photo of a cat",
    "A diagram of Tower-Bridge, London (1894)!",
    "don't we'll they've he's I'M",
    "two   spaces and\ta tab",
    "3.14159 and 2024年",
    "红色的圆在蓝色方块上面",
    "crème brûlée, naïve façade",
    "🦄 and 👩‍🚀 in space",
    "supercalifragilisticexpialidocious",
    "",
]


@pytest.fixture(scope="module")
def theirs():
    package = importlib.util.find_spec("open_clip")
    if package is None or not package.submodule_search_locations:
        pytest.skip("open_clip is not installed: pip install --no-deps open_clip_torch")
    path = Path(package.submodule_search_locations[0], "tokenizer.py")
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer_by_path", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKENIZERS_PARALLELISM", "false")  # so that what the module sets is taken back
        if importlib.util.find_spec("ftfy") is None:
            patch.setitem(sys.modules, "ftfy", types.SimpleNamespace(fix_text=lambda text: text))
        spec.loader.exec_module(module)
    return module.SimpleTokenizer()


@pytest.fixture(scope="module")
def ours(theirs, tmp_path_factory) -> TextTokenizer:
    folder = tmp_path_factory.mktemp("vocabulary")
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {names.get(piece, piece): id for piece, id in theirs.encoder.items()}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    merges = ["#version: 0.2", *map(" ".join, theirs.bpe_ranks)]
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
    return TextTokenizer.from_folder(folder, context_length=77)


def test_it_is_the_published_vocabulary(ours):
    assert len(ours) == 49408
    assert (ours.begin_id, ours.end_id, ours.pad_id) == (49406, 49407, 49407)
    cat = [49406, 320, 1125, 539, 320, 2368, 49407]  # "a photo of a cat", as printed in many a tutorial
    assert ours.encode(["a photo of a cat"]).ids.tolist() == [cat]


@pytest.mark.parametrize("text", TEXTS)
def test_ids(ours, theirs, text):
    assert ours.encode([text]).ids[0, 1:-1].tolist() == theirs.encode(text)


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(st.characters(codec="ascii", exclude_characters="&", exclude_categories=["Cc"]), max_size=60)
)
def test_ids_of_any_english_text(ours, theirs, text):
    assert ours.encode([text], truncate=True).ids[0, 1:-1].tolist() == theirs.encode(text)[:75]


def test_a_context_of_77_but_for_what_fills_it(ours, theirs):
    """CLIP's own code fills up with 0, transformers and we with the end; the model looks at neither."""
    batch, expected = ours.encode(TEXTS, 77), theirs(TEXTS)
    assert torch.equal(batch.ids.masked_fill(~batch.mask, 0), expected)


def test_decoding(ours, theirs):
    for text in ("a photo of a cat", "don't!", "crème brûlée"):
        ids = ours.encode([text]).ids[0]
        assert ours.decode(ids) == theirs.decode(ids[1:-1].tolist()).strip()
