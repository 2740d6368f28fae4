"""Prompts: what the world's templates say, and the average of normalised vectors."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.heads.retrieval import ensemble_prompts, fill_templates, world_class_names, world_templates
from vlmlearn.world import COLORS, SHAPES, captions, sample_scenes

SLOTS = ("size", "color", "shape", "position")
SPLIT = {"en": SLOTS, "zh": ("color", "size", "shape", "position")}  # the order of the sentence
SOME = [
    (language, list(slots))
    for language in SPLIT
    for n in range(1, 5)
    for slots in itertools.combinations(SPLIT[language], n)
]


@pytest.mark.parametrize(("language", "slots"), SOME)
def test_filled_templates_are_all_captions_of_one_object(language, slots):
    texts = fill_templates(world_templates(slots, language), world_class_names(slots, language))
    said = {text for texts_of_class in texts for text in texts_of_class}
    assert len(said) == 2 * 8 * 6 * 9 == sum(map(len, texts))
    assert said >= set(captions(sample_scenes(300, objects=(1, 1)), language))


def test_class_names_stand_in_the_order_of_the_world():
    assert world_class_names(["shape"]) == list(SHAPES)
    assert world_class_names(["color", "shape"])[:2] == [("red", "circle"), ("red", "square")]
    assert world_class_names(["color"], "zh")[:2] == ["红色", "橙色"]
    assert len(world_class_names(["color", "shape"], "zh")) == len(COLORS) * len(SHAPES)


def test_templates_by_example():
    assert world_templates(["shape"])[0] == "a small red {} at the top left"
    assert world_templates(["color", "shape"], "zh")[-1] == "一个{}大{}在右下角"
    assert len(world_templates(["shape"])) == 144
    assert fill_templates(["a {}", "{} {{}}"], ["dog", "cat"]) == [["a dog", "dog {}"], ["a cat", "cat {}"]]
    assert fill_templates(["a small {} {}"], [("red", "star")]) == [["a small red star"]]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(2, 6), st.integers(0, 2**31))
def test_ensemble_equals_a_loop_and_lengths_do_not_vote(classes, templates, dim, seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(classes, templates, dim, generator=generator, dtype=torch.float64) + 0.5
    found = ensemble_prompts(features)
    for vector, rows in zip(found, features, strict=True):
        mean = sum(row / row.norm() for row in rows) / templates
        torch.testing.assert_close(vector.double(), mean / mean.norm(), rtol=0, atol=1e-5)
    lengths = 0.01 + 100 * torch.rand(classes, templates, 1, generator=generator)
    torch.testing.assert_close(ensemble_prompts(features * lengths), found, rtol=0, atol=1e-5)


def test_the_long_sentence_does_not_win():
    assert ensemble_prompts(torch.tensor([[[100.0, 0.0], [0.0, 1.0]]])).tolist() == [
        pytest.approx([0.5**0.5] * 2)
    ]


@pytest.mark.bad_input
class TestBadInput:
    def test_names(self):
        for names in ([], "cat"):
            with pytest.raises(ValueError, match="expected a list of names"):
                fill_templates(["a {}"], names)
        with pytest.raises(ValueError, match="'cat' stands 2 times"):
            fill_templates(["a {}"], ["cat", "dog", ("cat",)])
        for name in ("", " ", (), ("red", "")):
            with pytest.raises(ValueError, match="holds an empty name"):
                fill_templates(["a {}"], [name])

    def test_templates(self):
        for templates in ([], "a {}"):
            with pytest.raises(ValueError, match="expected a list of sentences"):
                fill_templates(templates, ["cat"])
        for template in ("a cat", "a {} {}"):
            with pytest.raises(ValueError, match="expected as many places as words"):
                fill_templates([template], ["cat"])
        with pytest.raises(ValueError, match="expected as many places as words"):
            fill_templates(["a {}"], ["cat", ("red", "cat")])
        with pytest.raises(ValueError, match="expected empty ones"):
            fill_templates(["a {name}"], ["cat"])

    def test_slots(self):
        for slots in ([], "shape", ["form"], ["shape", "color"], ["shape", "shape"]):
            with pytest.raises(ValueError, match="in this order"):
                world_templates(slots)
        with pytest.raises(ValueError, match="language is 'de'"):
            world_class_names(["shape"], "de")

    def test_features(self):
        with pytest.raises(ValueError, match=r"expected \(classes, templates, dim\)"):
            ensemble_prompts(torch.ones(2, 3))
        with pytest.raises(ValueError, match="NaN or infinity"):
            ensemble_prompts(torch.full((1, 1, 2), torch.inf))
        with pytest.raises(ValueError, match="1 zero vectors"):
            ensemble_prompts(torch.tensor([[[0.0, 0.0], [1.0, 0.0]]]))
        with pytest.raises(ValueError, match="class 1 cancel out"):
            ensemble_prompts(torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.3, 0.1], [-0.3, -0.1]]]))
