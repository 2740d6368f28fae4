"""Classification by names: a picture belongs to the class whose sentences lie nearest (Radford et al. 2021)."""

import math
from collections.abc import Callable, Sequence

from jaxtyping import Float32, Int64
from torch import Tensor

from vlmlearn.heads.retrieval.encoding import DualEncoder, Images, encode_images, encode_texts, unit
from vlmlearn.heads.retrieval.prompts import ClassName, ensemble_prompts, fill_templates

COMBINATIONS = ("vectors", "probabilities")


class ZeroShotClassifier:
    """Classes made of words alone; the model is not trained, and its text tower is used once.

    The class vectors are those of the model as it is now: make a new classifier once it has been trained further.

    Args:
        model: any dual encoder.
        class_names: at least one; of several words where the templates have several places (see ``fill_templates``).
        templates: sentences around the name; see ``combine``.
        encode: sentences → token ids, such as ``Tokenizer().encode``.
        scale: what cosines are multiplied by before the softmax; the model's own, ``model.log_scale.exp()`` or
            ``1 / model.temperature``, unless it is given.
        combine: what becomes of a class's sentences. "vectors": their vectors are averaged into one (see
            ``ensemble_prompts``; Radford et al. 2021), so that many cost no more than one. "probabilities": a softmax
            over all sentences, summed within each class: where only one of them can be true of a picture (one size, one
            place), the others cannot blur it.

    Attributes:
        class_names: as given.
        class_vectors: (classes, dim), of length one: the averages.
        prompt_vectors: (classes, templates, dim), of length one.
        scale: a number.

    Raises:
        ValueError: empty or repeated class names, templates that do not fit (see ``fill_templates``), features that are
            NaN, infinite or zero, a scale that is missing or not positive, an unknown ``combine``.
    """

    def __init__(
        self,
        model: DualEncoder,
        class_names: Sequence[ClassName],
        templates: Sequence[str],
        encode: Callable[[list[str]], Tensor],
        *,
        scale: float | int | None = None,
        combine: str = "vectors",
    ) -> None:
        if combine not in COMBINATIONS:
            raise ValueError(f"combine is {combine!r}, expected one of {', '.join(COMBINATIONS)}")
        self.combine = combine
        sentences = fill_templates(templates, class_names)
        self.model, self.class_names, self.scale = model, list(class_names), _scale(model, scale)
        features = encode_texts(model, encode([text for texts in sentences for text in texts]))
        features = features.unflatten(0, (len(sentences), len(templates)))
        self.class_vectors, self.prompt_vectors = (
            ensemble_prompts(features),
            unit(features, "prompt features"),
        )

    def logits(self, images: Images) -> Float32[Tensor, "batch classes"]:
        """What the softmax over classes is taken of: scaled cosines, or the logarithm of their summed exponentials."""
        return self.logits_of(encode_images(self.model, images))

    def logits_of(self, vectors: Float32[Tensor, "batch dim"]) -> Float32[Tensor, "batch classes"]:
        """The same for image vectors of length one that are there already."""
        if self.combine == "vectors":
            return self.scale * vectors @ self.class_vectors.T
        each = self.scale * vectors @ self.prompt_vectors.flatten(0, 1).T
        return each.unflatten(1, self.prompt_vectors.shape[:2]).logsumexp(2)

    def probabilities(self, images: Images) -> Float32[Tensor, "batch classes"]:
        """Softmax over the classes. They sum to one even where no class fits: the cosines tell, these do not."""
        return self.logits(images).softmax(-1)

    def predict(self, images: Images) -> list[ClassName]:
        """The most probable class name of each picture."""
        return [self.class_names[k] for k in self.logits(images).argmax(-1).tolist()]

    def accuracy(self, images: Images, labels: Int64[Tensor, " batch"]) -> float:
        """Percentage (0–100) of pictures whose own class gets the highest logit; a tie for it counts as wrong.

        Args:
            labels: (batch,) places in ``class_names``.

        Raises:
            ValueError: another number of labels than of pictures, a label that is no place in the list.
        """
        classes = len(self.class_names)
        if labels.shape != (len(images),):
            raise ValueError(
                f"labels have shape {tuple(labels.shape)}, expected ({len(images)},), one a picture"
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise ValueError(
                f"labels run from {int(labels.min())} to {int(labels.max())}, expected 0 to {classes - 1}: "
                "places in class_names"
            )
        logits = self.logits(images)
        own = logits.gather(1, labels.cpu()[:, None])
        return 100 * float(((logits >= own).sum(1) == 1).double().mean())


def _scale(model: DualEncoder, scale: float | int | None) -> float:
    """The scale that was given, or the model's: ``log_scale`` as CLIP learns it, ``temperature`` as ALIGN does."""
    if scale is None:
        learnt = {name: getattr(model, name, None) for name in ("log_scale", "temperature")}
        if isinstance(learnt["log_scale"], Tensor):
            scale = float(learnt["log_scale"].detach().exp())
        elif isinstance(learnt["temperature"], Tensor):
            scale = 1 / float(learnt["temperature"].detach())
        else:
            raise ValueError(
                f"{type(model).__name__} has neither log_scale nor temperature: give the scale of its cosines, "
                "such as scale=100"
            )
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale is {scale}, expected a positive number: 1 / temperature")
    return float(scale)
