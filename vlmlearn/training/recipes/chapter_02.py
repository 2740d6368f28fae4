"""Chapter 02, dual encoders at work: towers, prompts, the modality gap, noise, word order, hard negatives.

Everything builds on chapter 01's training: the same scenes, batches, loss and optimizers, with one thing changed. "At
equal cost" is at steps that take as long as ``chapter_01.STEPS`` of the CNN do (``TOWER_STEPS``, from
``seconds_per_step``); everywhere else it is at equal steps. About forty minutes on two cores.
"""

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import cache
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vlmlearn.layers import ConvNeXtConfig
from vlmlearn.metrics import carried_bits
from vlmlearn.models.clip import CLIP, CLIPConfig
from vlmlearn.training.batches import shuffled_batches
from vlmlearn.training.loop import TrainConfig, fit
from vlmlearn.training.recipes import chapter_01 as base
from vlmlearn.training.recipes import exams
from vlmlearn.training.recipes.ledger import ledger_line
from vlmlearn.training.recipes.record import progress
from vlmlearn.world import CaptionPairs, Tokenizer, noisy_captions, swapped_captions
from vlmlearn.world.shapes import SEEN_PAIRS

_RETRIEVAL = "encoding prompts zero_shot"
SOURCES = (
    *base.SOURCES,
    "layers.convnext",
    *(f"heads.retrieval.{name}" for name in _RETRIEVAL.split()),
    *(f"metrics.{name}" for name in ("gap", "ranking")),
    "training.recipes.chapter_02",
    "training.recipes.exams",
)
SEEDS = (0, 1, 2)
# Steps that cost as much as 330 of the CNN: 330 × seconds a step of the CNN / seconds a step of the tower.
TOWER_STEPS = {"cnn": 330, "vit": 114, "convnext": 284}
SHORT, USUAL, LONG = 80, 330, 1000
FEW = 4000  # of chapter 01's 36,000 scenes
TEMPERATURES = (1.0, 0.01)  # the learnt one lies between them
NOISE = (0.2, 0.5, 0.8)
TUNE_STEPS = 200  # of further training on hard negatives

Train = Callable[[int], CLIP]


def run() -> dict[str, Any]:
    """Everything that ``vlmlearn/results/02.json`` holds."""
    trained: dict[int, CLIP] = {}  # the longest training of each seed: hard negatives go on from it

    def longest(seed: int) -> CLIP:
        trained[seed] = train(seed, LONG)
        return trained[seed]

    towers = {
        name: over_seeds(lambda seed, n=name: train(seed, TOWER_STEPS[n], config=tower(n)))  # type: ignore[misc]
        for name in TOWER_STEPS
    }
    short = over_seeds(lambda seed: train(seed, SHORT))
    swaps = {
        str(FEW): {str(n): over_seeds(lambda s, n=n: train(s, n, pairs=few())) for n in (SHORT, USUAL)},  # type: ignore[misc]
        str(base.SCENES): {str(SHORT): short, str(USUAL): towers["cnn"], str(LONG): over_seeds(longest)},
    }
    return {
        "settings": {
            "scenes": base.SCENES,
            "few": FEW,
            "batch": base.BATCH,
            "gallery": base.GALLERY,
            "exam": exams.EXAM,
            "tower_steps": TOWER_STEPS,
            "steps": (SHORT, USUAL, LONG),
            "tune_steps": TUNE_STEPS,
            "seeds": SEEDS,
            "train": asdict(TrainConfig(USUAL)),
        },
        "seconds_per_step": {name: round(seconds_per_step(name), 4) for name in TOWER_STEPS},
        "parameters": {name: parameters(name) for name in TOWER_STEPS},
        "towers": towers,
        "untrained": over_seeds(lambda seed: new_model(seed)),
        "temperature": {
            str(t): over_seeds(lambda s, t=t: train(s, SHORT, temperature=t))  # type: ignore[misc]
            for t in TEMPERATURES
        }
        | {"learnt": short},
        "noise": {"0": short}
        | {str(r): over_seeds(lambda s, r=r: train(s, SHORT, pairs=noisy(r))) for r in NOISE},  # type: ignore[misc]
        # As many right captions as without noise: does noise do more than waste half of the steps?
        "noise_twice_the_steps": over_seeds(lambda seed: train(seed, 2 * SHORT, pairs=noisy(0.5))),
        "swaps": swaps,
        "hard_negatives": over_seeds(lambda seed: train_hard(seed, USUAL)),
        "tuned": over_seeds(lambda seed: train_hard(seed, TUNE_STEPS, start=trained[seed])),
        "ledger": name_line(swaps[str(base.SCENES)][str(LONG)]["name_loss"]),
    }


def name_line(losses: list[float]) -> dict[str, Any]:
    """The ledger's line of a model that names the one object without having been trained to."""
    bits = math.log2(len(SEEN_PAIRS))
    carried = [carried_bits(loss, bits) for loss in losses]
    return ledger_line(
        told="name", bits=bits, language=math.log2(exams.NAMES) - bits, ceiling=bits, carried=carried
    )


# --- training ---------------------------------------------------------------------------------------------------------


def tower(name: str) -> CLIPConfig:
    """The tiny CLIP with another image tower: "cnn", "vit" or "convnext"."""
    vocabulary = len(Tokenizer())
    if name != "convnext":
        return CLIPConfig.tiny(vocabulary, image_tower=name)
    # Layer scale makes deep towers start as the identity; in three stages and a minute it would only delay.
    image = ConvNeXtConfig(64, patch=4, widths=(32, 64, 128), blocks=(1, 2, 1), layer_scale=None)
    return replace(CLIPConfig.tiny(vocabulary), image=image)


def new_model(seed: int, config: CLIPConfig | None = None) -> CLIP:
    """The tiny CLIP as it is before any training."""
    torch.manual_seed(seed)
    return CLIP(config or tower("cnn"))


def train(
    seed: int,
    steps: int,
    *,
    config: CLIPConfig | None = None,
    pairs: CaptionPairs | None = None,
    temperature: float | None = None,
) -> CLIP:
    """Chapter 01's training with one thing changed.

    Args:
        seed: of the weights and the batches.
        steps: of training.
        config: of the model; by default the tiny CLIP.
        pairs: to train on; by default chapter 01's.
        temperature: held at this value; by default learnt from 0.07 on.
    """
    model = new_model(seed, config)
    if temperature is not None:
        model.log_scale.data.fill_(-math.log(temperature))
        model.log_scale.requires_grad_(False)
    batches = base.pair_batches(base.training_pairs() if pairs is None else pairs, seed)
    fit(model, batches, base.chapter_loss, TrainConfig(steps), after_step=model.clamp_scale_)
    return model


def train_hard(seed: int, steps: int, *, start: CLIP | None = None) -> CLIP:
    """Training with hard negatives, from scratch or on from a trained model, which stays as it is."""
    model = new_model(seed)
    if start is not None:
        model.load_state_dict(start.state_dict())
    fit(model, swap_batches(seed), hard_loss, TrainConfig(steps), after_step=model.clamp_scale_)
    return model


def hard_loss(model: CLIP, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """The CLIP loss; each picture must also reject the swapped captions of the whole batch (Yuksekgonul et al. 2023).

    They are further columns of the direction image → text. In the other direction they are no rows: no picture
    belongs to them. Captions of one object cannot be swapped, and their columns are left out.
    """
    images, ids, swapped, usable = batch
    image, scale = model.encode_image(images), model.log_scale.exp()
    text, wrong = model.encode_text(torch.cat([ids, swapped])).chunk(2)
    logits, extra = scale * image @ text.T, scale * image @ wrong.T
    rows = torch.cat([logits, extra.masked_fill(~usable, -math.inf)], dim=1)
    match = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(rows, match) + F.cross_entropy(logits.T, match)) / 2


def swap_batches(seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Endless batches: pictures, one random sentence each, the same with its first two objects exchanged, and
    where that makes it false."""
    pick = torch.Generator().manual_seed(seed)
    pairs, (swapped, usable) = base.training_pairs(), swapped_ids()
    rows = torch.arange(base.BATCH)
    tensors = (pairs.images, pairs.ids, swapped, usable)
    for images, ids, wrong, can in shuffled_batches(*tensors, batch_size=base.BATCH, seed=seed):
        variant = torch.randint(ids.shape[1], (base.BATCH,), generator=pick)
        yield images, ids[rows, variant], wrong[rows, variant], can


@cache
def swapped_ids() -> tuple[Tensor, Tensor]:
    """Every training caption with its first two objects exchanged (pairs, variants, length), and (pairs,) where
    there are two."""
    pairs, encode = base.training_pairs(), Tokenizer().encode
    spoken = [swapped_captions(pairs.scenes, "relation", variant=k) for k in range(pairs.ids.shape[1])]
    return torch.stack([encode(false) for _, false, _ in spoken], dim=1), torch.from_numpy(spoken[0][2])


@cache
def noisy(rate: float) -> CaptionPairs:
    """The training pairs, with this share of the captions telling of another scene."""
    pairs, encode = base.training_pairs(), Tokenizer().encode
    spoken = [noisy_captions(pairs.scenes, rate, variant=k)[0] for k in range(pairs.ids.shape[1])]
    ids = torch.stack([encode(texts) for texts in spoken], dim=1)
    return replace(pairs, ids=ids, texts=list(zip(*spoken, strict=True)))


@cache
def few() -> CaptionPairs:
    """The first ``FEW`` of the training pairs."""
    pairs = base.training_pairs()
    return CaptionPairs(pairs.scenes[:FEW], pairs.images[:FEW], pairs.ids[:FEW], pairs.texts[:FEW])


def over_seeds(make: Train) -> dict[str, Any]:
    """The scores of a model for every seed, in lists of the same order."""
    found: dict[str, Any] = {}
    for seed in SEEDS:
        measured = exams.scores(make(seed))
        for name, value in measured.items():
            found.setdefault(name, []).append(round(value, 3))
        progress(f"seed {seed}: {measured}")
    found["mean"] = round(statistics.mean(found["test_i2t"]), 1)
    return found


# --- cost -------------------------------------------------------------------------------------------------------------


def seconds_per_step(name: str, steps: int = 10) -> float:
    """How long a training step of this tower takes: what ``TOWER_STEPS`` was fixed from."""
    batches = list(islice(base.pair_batches(base.training_pairs(), 0), 2))
    model, times = new_model(0, tower(name)), []
    for _ in range(2):
        batch = (batches[k % 2] for k in range(steps))
        times.append(fit(model, batch, base.chapter_loss, TrainConfig(steps)).seconds / steps)
    return min(times)  # what else ran can only have made it longer


def parameters(name: str) -> int:
    """Weights of the image tower."""
    return sum(weight.numel() for weight in new_model(0, tower(name)).image_tower.parameters())
