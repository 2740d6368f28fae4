"""SigLIP trained by several processes together, as one process would with the whole batch.

    python -m vlmlearn.training.distributed --steps 380                                   # one process
    python -m vlmlearn.training.distributed --steps 380 --processes 2                     # two on this machine
    torchrun --nproc-per-node 2 -m vlmlearn.training.distributed --steps 380              # two, started by torchrun

Every process holds the whole model and its share of each batch. A batch is one batch in three places: captions meet
all pictures in ``ring_siglip_loss``, ``shared_batch_norm`` takes its statistics over all pictures, and
``DistributedDataParallel`` takes the mean of the gradients. So the three commands train the same model, as far as
rounding lets them.
"""

import argparse
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vlmlearn.losses import ring_siglip_loss, siglip_loss
from vlmlearn.metrics import recall_at_k
from vlmlearn.models.siglip import SigLIP
from vlmlearn.training.batch_norm import shared_batch_norm
from vlmlearn.training.loop import History, TrainConfig, fit
from vlmlearn.training.processes import run_processes
from vlmlearn.training.recipes import bilingual, chapter_01, chapter_03

Pairs = tuple[Tensor, Tensor]


def fit_together(model: SigLIP, batches: Iterable[Pairs], config: TrainConfig) -> History:
    """``fit`` with the sigmoid loss, by all processes of the default group; without a group, by this one alone.

    Args:
        model: rank 0's is what all ranks train; they all hold it afterwards.
        batches: images and token ids of whole batches, the same on every rank, which takes its share.
        config: see ``TrainConfig``.

    Raises:
        ValueError: what ``fit`` raises, or a batch that cannot be divided evenly.
    """
    if not dist.is_initialized():
        return fit(model, batches, _loss, config, after_step=model.clamp_scale_)
    parallel = DistributedDataParallel(model)  # sends rank 0's weights to all
    with shared_batch_norm(model):
        return fit(parallel, map(share, batches), _loss_together, config, after_step=model.clamp_scale_)


def _loss(model: nn.Module, batch: Pairs) -> Tensor:
    return siglip_loss(*model(*batch))


def _loss_together(model: nn.Module, batch: Pairs) -> Tensor:
    return ring_siglip_loss(*model(*batch))


def share(batch: Pairs) -> Pairs:
    """This rank's rows of a batch.

    Raises:
        ValueError: the batch cannot be divided evenly.
    """
    rank, size = dist.get_rank(), dist.get_world_size()
    if len(batch[0]) % size:
        raise ValueError(
            f"the batch has {len(batch[0])} pairs, expected a multiple of {size}: every process takes as many"
        )
    images, ids = (tensor.chunk(size)[rank] for tensor in batch)
    return images, ids


def train(steps: int, seed: int, batch_size: int) -> dict[str, Any]:
    """Chapter 03's training by the processes that there are: its settings, recall on the test gallery, seconds."""
    if dist.is_initialized() and dist.get_rank() > 0:
        os.environ["TQDM_DISABLE"] = "1"  # one bar is enough
    model = chapter_03.new_model(seed)
    history = fit_together(
        model, chapter_03.pair_batches(seed, batch_size), bilingual.sigmoid_training(steps)
    )
    recall = recall_at_k(chapter_01.similarity(model, chapter_01.gallery("test")))
    return {
        "processes": dist.get_world_size() if dist.is_initialized() else 1,
        "steps": steps,
        "seed": seed,
        "batch": batch_size,
        "loss": round(history.last(), 4),
        "test_i2t": round(recall.image_to_text, 1),
        "test_t2i": round(recall.text_to_image, 1),
        "seconds": round(history.seconds, 1),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m vlmlearn.training.distributed", description=__doc__)
    parser.add_argument("--steps", type=int, default=chapter_03.STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=chapter_01.BATCH, help="pairs of all processes together")
    parser.add_argument("--processes", type=int, default=1, help="on this machine; torchrun brings its own")
    parser.add_argument("--json", type=Path, help="where to write the result, too")
    options = parser.parse_args(arguments)

    job = (options.steps, options.seed, options.batch)
    if dist.is_torchelastic_launched():
        dist.init_process_group("gloo")
        rank, result = dist.get_rank(), train(*job)
        dist.destroy_process_group()
        if rank != 0:
            return
    elif options.processes == 1:
        result = train(*job)
    else:
        result = run_processes(train, options.processes, *job)[0]
    print(json.dumps(result))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
