"""Zero-shot classification against the same thing by hand, and on an encoder that knows the answers."""

import pytest
import torch
from torch.nn import functional as F

from vlmlearn.heads.retrieval import ZeroShotClassifier, fingerprint, world_class_names, world_templates
from vlmlearn.models import ALIGN, AlignConfig, ChineseCLIP, ChineseCLIPConfig

TEMPLATES = ["a small {} star at the top", "a large {} ring at the left", "a small {} circle at the center"]
NAMES = ["red", "green", "blue"]


class Oracle:
    """Sees the mean colour of a picture and reads one colour word out of each sentence."""

    def encode_image(self, images):
        return images.float().mean((2, 3))

    def encode_text(self, ids):
        return F.one_hot(ids[:, 0], 3).float() * (1 + ids[:, 1:].sum(1, keepdim=True))


def read(texts):
    """Which colour a sentence names, and its length."""
    return torch.tensor([[next(k for k, n in enumerate(NAMES) if n in text), len(text)] for text in texts])


def plain(*color):
    return torch.tensor(color, dtype=torch.uint8)[:, None, None].expand(3, 4, 4)


def test_logits_and_probabilities_by_hand(make_clip, tokenizer, images):
    clip = make_clip().eval()
    classifier = ZeroShotClassifier(clip, NAMES, TEMPLATES, tokenizer.encode)
    vectors = []
    for name in NAMES:
        features = clip.encode_text(tokenizer.encode([t.format(name) for t in TEMPLATES]))
        vectors.append(F.normalize(features.mean(0), dim=0))
    logits = clip.log_scale.exp() * clip.encode_image(images) @ torch.stack(vectors).T
    torch.testing.assert_close(classifier.logits(images), logits.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        classifier.probabilities(images), logits.softmax(1).detach(), rtol=1e-4, atol=1e-5
    )
    assert classifier.predict(images) == [NAMES[k] for k in logits.argmax(1)]
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    expected = 100 * (logits.argmax(1) == labels).double().mean()
    assert classifier.accuracy(images, labels) == pytest.approx(float(expected))


@pytest.mark.parametrize(("kind", "config"), [(ALIGN, AlignConfig), (ChineseCLIP, ChineseCLIPConfig)])
def test_other_dual_encoders_and_their_own_scale(kind, config, tokenizer, images):
    torch.manual_seed(0)
    model = kind(config.tiny(len(tokenizer))).train()
    mark = fingerprint(model)
    classifier = ZeroShotClassifier(model, NAMES, TEMPLATES[:1], tokenizer.encode)
    logits = classifier.logits(images[:3])
    assert fingerprint(model) == mark  # running statistics of batch norms included
    with torch.no_grad():
        output = model.eval()(images[:3], tokenizer.encode([TEMPLATES[0].format(name) for name in NAMES]))
    expected = output.logit_scale * output.image_features @ output.text_features.T
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_an_encoder_that_knows_is_always_right():
    classifier = ZeroShotClassifier(Oracle(), NAMES, TEMPLATES, read, scale=10)
    assert classifier.class_vectors.tolist() == torch.eye(3).tolist()
    images = torch.stack([plain(200, 10, 0), plain(0, 90, 30), plain(1, 2, 3)])
    assert classifier.predict(images) == NAMES
    assert classifier.accuracy(images, torch.arange(3)) == 100
    assert classifier.accuracy(images, torch.tensor([0, 2, 1])) == pytest.approx(100 / 3)
    torch.testing.assert_close(classifier.probabilities(images).sum(1), torch.ones(3))


def test_a_tie_is_not_right():
    classifier = ZeroShotClassifier(Oracle(), NAMES, TEMPLATES, read, scale=10)
    assert classifier.accuracy(plain(9, 9, 0)[None], torch.tensor([0])) == 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pairs_in_the_words_of_the_world(make_clip, tokenizer, images, language):
    slots = ["color", "shape"]
    names, templates = world_class_names(slots, language), world_templates(slots, language)
    classifier = ZeroShotClassifier(make_clip(), names, templates, tokenizer.encode)
    assert classifier.class_vectors.shape == (48, 12) and set(classifier.predict(images)) <= set(names)


def test_one_class_is_certain(images):
    classifier = ZeroShotClassifier(Oracle(), NAMES[:1], TEMPLATES, read, scale=1)
    assert classifier.probabilities(images).tolist() == [[1.0]] * 6


@pytest.mark.bad_input
class TestBadInput:
    def test_names_and_templates(self):
        with pytest.raises(ValueError, match="expected a list of names"):
            ZeroShotClassifier(Oracle(), [], TEMPLATES, read, scale=1)
        with pytest.raises(ValueError, match="'red' stands 2 times"):
            ZeroShotClassifier(Oracle(), ["red", "red"], TEMPLATES, read, scale=1)
        with pytest.raises(ValueError, match="expected as many places"):
            ZeroShotClassifier(Oracle(), NAMES, ["red"], read, scale=1)

    def test_words_that_the_world_does_not_say(self, make_clip, tokenizer):
        with pytest.raises(ValueError, match="unknown word 'pink'"):
            ZeroShotClassifier(make_clip(), ["pink"], TEMPLATES, tokenizer.encode)

    def test_scale(self):
        with pytest.raises(ValueError, match="Oracle has neither log_scale nor temperature: give the scale"):
            ZeroShotClassifier(Oracle(), NAMES, TEMPLATES, read)
        for scale in (0, -1.0, float("nan")):
            with pytest.raises(ValueError, match="expected a positive number"):
                ZeroShotClassifier(Oracle(), NAMES, TEMPLATES, read, scale=scale)

    def test_labels(self, images):
        classifier = ZeroShotClassifier(Oracle(), NAMES, TEMPLATES, read, scale=1)
        with pytest.raises(ValueError, match=r"expected \(6,\), one a picture"):
            classifier.accuracy(images, torch.zeros(5, dtype=torch.int64))
        for label in (-1, 3):
            with pytest.raises(ValueError, match="expected 0 to 2"):
                classifier.accuracy(images, torch.full((6,), label))
