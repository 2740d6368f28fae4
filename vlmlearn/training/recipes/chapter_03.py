"""Chapter 03, SigLIP: the loss without a softmax, its start, its batches; two languages; pictures of any shape.

English alone is chapter 01's training with another loss, the scale and bias that it starts from, and a learning rate
that suits it; "softmax" is the same with CLIP's loss, so that nothing else differs. Comparisons are at equal steps and
batches. About half an hour on two cores.
"""

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from vlmlearn.losses import clip_loss, siglip_loss
from vlmlearn.metrics import recall_at_k
from vlmlearn.models.siglip import SigLIP, SigLIPConfig
from vlmlearn.training.batches import shuffled_batches
from vlmlearn.training.loop import History, fit
from vlmlearn.training.recipes import bilingual, naflex
from vlmlearn.training.recipes import chapter_01 as base
from vlmlearn.training.recipes.record import progress
from vlmlearn.world import Tokenizer

SOURCES = (
    *base.SOURCES,
    "layers.map_head",
    "layers.naflex",
    "layers.patch_lists",
    *(f"heads.retrieval.{name}" for name in ("encoding", "prompts", "zero_shot")),
    "losses.sigmoid",
    "models.siglip",
    "models.siglip2",
    *(f"training.recipes.{name}" for name in ("bilingual", "chapter_03", "naflex")),
)
SEEDS = (0, 1, 2)
STEPS = 380  # as many as a minute holds: a sigmoid learns more slowly than chapter 01's softmax
SWEEP_STEPS = 120
BATCHES = (16, 64, 192)
CHANCE_BIAS = -math.log(base.BATCH - 1)  # every picture has one match among the batch's sentences

Loss = Callable[[SigLIP, Any], Tensor]


@dataclass(frozen=True)
class Start:
    """What the scale (its logarithm) and the bias are before training."""

    log_scale: float = math.log(10)
    bias: float = -10.0


SOFTMAX_START = Start(math.log(1 / 0.07))  # CLIP's
STARTS = {"paper": Start(), "chance": Start(bias=CHANCE_BIAS), "zero": Start(bias=0.0)}


def run() -> dict[str, Any]:
    """Everything that ``vlmlearn/results/03.json`` holds."""
    english = over_seeds(lambda seed: train(seed, STEPS), full=True)
    sigmoid = {str(n): short(batch_size=n) for n in BATCHES}
    softmax = {str(n): short(batch_size=n, loss=softmax_loss, start=SOFTMAX_START) for n in BATCHES}
    paper = sigmoid[str(base.BATCH)]  # the sweeps over starts and divisors change one thing against it
    starts = {name: paper if name == "paper" else short(start=start) for name, start in STARTS.items()}
    return {
        "settings": {
            "scenes": base.SCENES,
            "variants": base.VARIANTS,
            "batch": base.BATCH,
            "steps": STEPS,
            "sweep_steps": SWEEP_STEPS,
            "batches": BATCHES,
            "gallery": base.GALLERY,
            "seeds": SEEDS,
            "starts": {name: asdict(start) for name, start in STARTS.items()},
            "train": asdict(bilingual.sigmoid_training(STEPS)),
            "bilingual": bilingual.settings(),
            "naflex": naflex.settings(),
        },
        "siglip": english,
        "softmax": over_seeds(
            lambda seed: train(seed, STEPS, loss=softmax_loss, start=SOFTMAX_START), full=True
        ),
        "ledger": base.caption_line(english["bits"]),
        "batch_sizes": {"sigmoid": sigmoid, "softmax": softmax},
        "start": {name: scores | first_step(STARTS[name]) for name, scores in starts.items()},
        "divided_by_n_squared": short(loss=mean_loss),
        "bilingual": bilingual.run(SEEDS),
        "naflex": naflex.run(SEEDS),
    }


def new_model(seed: int, start: Start | None = None) -> SigLIP:
    """The tiny SigLIP before any training."""
    start = start or Start()
    torch.manual_seed(seed)
    return SigLIP(SigLIPConfig.tiny(len(Tokenizer()), log_scale=start.log_scale, logit_bias=start.bias))


def train(
    seed: int,
    steps: int,
    *,
    loss: Loss | None = None,
    batch_size: int | None = None,
    start: Start | None = None,
) -> tuple[SigLIP, History]:
    """Chapter 01's training with the sigmoid loss and the learning rate of ``bilingual.sigmoid_training``.

    Args:
        seed: of the weights and the batches.
        steps: of training.
        loss: (model, batch) to a scalar; by default ``sigmoid_loss``.
        batch_size: pairs in a batch; by default chapter 01's.
        start: scale and bias before training; by default the paper's.
    """
    model = new_model(seed, start)
    batches = pair_batches(seed, batch_size or base.BATCH)
    config = bilingual.sigmoid_training(steps)
    history = fit(model, batches, loss or sigmoid_loss, config, after_step=model.clamp_scale_)
    return model, history


def pair_batches(seed: int, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of images and one random sentence for each."""
    pairs, pick = base.training_pairs(), torch.Generator().manual_seed(seed)
    for images, ids in shuffled_batches(pairs.images, pairs.ids, batch_size=batch_size, seed=seed):
        yield images, ids[torch.arange(len(ids)), torch.randint(ids.shape[1], (len(ids),), generator=pick)]


def sigmoid_loss(model: SigLIP, batch: tuple[Tensor, Tensor]) -> Tensor:
    images, ids = batch
    scale, bias = model.log_scale.exp(), model.logit_bias
    return siglip_loss(model.encode_image(images), model.encode_text(ids), scale, bias)


def softmax_loss(model: SigLIP, batch: tuple[Tensor, Tensor]) -> Tensor:
    """CLIP's loss; the bias takes no part."""
    images, ids = batch
    return clip_loss(model.encode_image(images), model.encode_text(ids), model.log_scale.exp())


def mean_loss(model: SigLIP, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The mean over all N² pairs, as a binary cross entropy would be taken by default."""
    return sigmoid_loss(model, batch) / len(batch[0])


def first_step(start: Start) -> dict[str, Any]:
    """The loss and the length of its gradient before any training, seed 0."""
    model, (batch,) = new_model(0, start), islice(pair_batches(0, base.BATCH), 1)
    loss = sigmoid_loss(model.train(), batch)
    loss.backward()
    squares = [weight.grad.square().sum() for weight in model.parameters() if weight.grad is not None]
    return {
        "first_loss": round(loss.item(), 3),
        "first_gradient": round(torch.stack(squares).sum().sqrt().item(), 3),
    }


def short(**changes: Any) -> dict[str, Any]:
    """Scores of short trainings with one thing changed."""
    return over_seeds(lambda seed: train(seed, SWEEP_STEPS, **changes))


def over_seeds(make: Callable[[int], tuple[SigLIP, History]], *, full: bool = False) -> dict[str, Any]:
    """Scores for every seed, in lists of the same order; ``full`` are those of the whole training."""
    scores: dict[str, Any] = {}
    for seed in SEEDS:
        model, history = make(seed)
        found = {
            "seconds": history.seconds,
            "loss": history.last(),
            "scale": model.log_scale.exp().item(),
            "bias": model.logit_bias.item(),
        }
        if full:
            found["bits"] = base.bits(model)
        for split in ("test", "compositional") if full else ("test",):
            recall = recall_at_k(base.similarity(model, base.gallery(split)))
            found |= {f"{split}_i2t": recall.image_to_text, f"{split}_t2i": recall.text_to_image}
        for name, value in found.items():
            scores.setdefault(name, []).append(round(value, 3))
        progress(f"seed {seed}: {found}")
    scores["mean"] = round(statistics.mean(scores["test_i2t"]), 1)
    return scores
