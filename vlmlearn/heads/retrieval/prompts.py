"""Class names in sentences: a text tower was trained on captions, so a class is described by captions too."""

import itertools
from collections.abc import Sequence
from string import Formatter

from jaxtyping import Float, Float32
from torch import Tensor

from vlmlearn.heads.retrieval.encoding import unit
from vlmlearn.world.shapes import COLORS, SHAPES, SIZES
from vlmlearn.world.words import POSITIONS, check_language, translate

# A name of several words fills several places: ("red", "star") for "a small {} {} at the top left".
ClassName = str | tuple[str, ...]

_SLOTS = {"size": SIZES, "color": COLORS, "shape": SHAPES, "position": POSITIONS}
# One object in one sentence, as the world's captions say it.
_CAPTION = {"en": "a {size} {color} {shape} at the {position}", "zh": "一个{color}{size}{shape}在{position}"}


def fill_templates(templates: Sequence[str], class_names: Sequence[ClassName]) -> list[list[str]]:
    """Every class name in every template: one list of sentences a class.

    Args:
        templates: sentences with a pair of braces for the name, ``"a large {} at the top"``; names of several
            words have as many pairs.

    Raises:
        ValueError: no names, no templates, a name twice, an empty name, a template with another number of
            braces than the name has words.
    """
    if isinstance(class_names, str) or not len(class_names):
        raise ValueError(
            f"class_names is {class_names!r}, expected a list of names: nothing to choose from otherwise"
        )
    if isinstance(templates, str) or not len(templates):
        raise ValueError(
            f"templates is {templates!r}, expected a list of sentences: the bare name is ['{{}}']"
        )
    names = [(name,) if isinstance(name, str) else name for name in class_names]
    for name in names:
        if not name or not all(word.strip() for word in name):
            raise ValueError(f"class_names holds an empty name, {name!r}: leave it out")
        if names.count(name) > 1:
            raise ValueError(
                f"class name {' '.join(name)!r} stands {names.count(name)} times: equal names share a vector, so "
                "neither could win; leave one out"
            )
    for template in templates:
        places, words = _places(template), {len(name) for name in names}
        if words != {places}:
            raise ValueError(
                f"template {template!r} has {places} pairs of braces, class names have {sorted(words)} words: "
                "expected as many places as words"
            )
    return [[template.format(*name) for template in templates] for name in names]


def ensemble_prompts(features: Float[Tensor, "classes templates dim"]) -> Float32[Tensor, "classes dim"]:
    """One vector of length one a class: each sentence's vector is normalised, then averaged, then normalised.

    Without the first step, sentences with long vectors would outvote the others. Radford et al. 2021, section
    3.1.4: averaged among the vectors, not among probabilities, so that many templates cost no more than one.

    Raises:
        ValueError: NaN or infinity, a zero vector, sentences of a class that cancel out.
    """
    if features.ndim != 3 or not features.numel():
        raise ValueError(
            f"features have shape {tuple(features.shape)}, expected (classes, templates, dim): one class "
            "is features[None]"
        )
    average = unit(features, "prompt features").double().mean(1)
    if (lost := average.norm(dim=1) < 1e-6).any():
        raise ValueError(
            f"the sentences of class {int(lost.nonzero()[0])} cancel out: their average points nowhere; leave out "
            "templates that say the opposite of others"
        )
    return unit(average, "averages over templates")


def world_templates(slots: Sequence[str], language: str = "en") -> list[str]:
    """Captions of one object as the world says them, with braces where the class stands.

    What is no part of the class takes every value: classes of one slot, "shape", give 2 sizes × 8 colours × 9
    positions = 144 sentences. So nothing but the class is left when their vectors are averaged.

    Args:
        slots: what a class name says, out of "size", "color", "shape", "position": ``["shape"]``,
            ``["color", "shape"]``; in the order of the sentence.
        language: "en" or "zh".

    Raises:
        ValueError: unknown language, no slot, an unknown one, one twice, another order than the sentence's.
    """
    caption = _caption(slots, language)
    rest = {slot: _SLOTS[slot] for slot in _SLOTS if slot not in slots}
    return [
        caption.format(
            **dict.fromkeys(slots, "{}"),
            **{slot: translate(word, language) for slot, word in zip(rest, words, strict=True)},
        )
        for words in itertools.product(*rest.values())
    ]


def world_class_names(slots: Sequence[str], language: str = "en") -> list[ClassName]:
    """All classes that fill ``world_templates(slots, language)``: shapes for ``["shape"]``, in the world's order.

    With several slots the last one changes fastest. Raises the same.
    """
    _caption(slots, language)
    words = [[translate(word, language) for word in _SLOTS[slot]] for slot in slots]
    return [name if len(name) > 1 else name[0] for name in itertools.product(*words)]


def _places(template: str) -> int:
    """How many pairs of braces a template has.

    Raises:
        ValueError: a brace without its other half, or braces with something inside.
    """
    inside = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    if any(inside):
        raise ValueError(f"template {template!r} has {inside} in its braces, expected empty ones: {{}}")
    return len(inside)


def _caption(slots: Sequence[str], language: str) -> str:
    """The language's caption, once the slots are known to fit it."""
    check_language(language)
    caption = _CAPTION[language]
    order = [field for _, field, _, _ in Formatter().parse(caption) if field]
    if isinstance(slots, str) or not slots or [slot for slot in order if slot in slots] != list(slots):
        raise ValueError(
            f"slots is {slots!r}, expected a list of some of {', '.join(order)}, in this order, "
            "that of the sentence"
        )
    return caption
