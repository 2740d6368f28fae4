"""Small vocabularies of SigLIP's and SigLIP 2's kinds, trained where they are needed."""

import io
import json
from collections.abc import Sequence

import sentencepiece
from tokenizers import Tokenizer, decoders, models, trainers
from transformers import Siglip2Tokenizer

GEMMA_SPECIALS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def spiece(texts: Sequence[str], **options) -> bytes:
    """What a spiece.model holds, with SigLIP's specials under SigLIP's ids; ``options`` of SentencePiece's trainer."""
    model = io.BytesIO()
    usual = {"vocab_size": 120, "pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text.lower() for text in texts] * 5),
        model_writer=model,
        model_type="unigram",
        hard_vocab_limit=False,
        **usual | options,
    )
    return model.getvalue()


def gemma(texts: Sequence[str], kind: type = Siglip2Tokenizer, **options) -> Siglip2Tokenizer:
    """Byte pairs that fall back to bytes, as SigLIP 2's published files have them: an end, no begin, padding after."""
    pairs = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    pairs.decoder = decoders.Fuse()
    pairs.train_from_iterator(
        [f"▁{word}" for text in texts for word in text.lower().split()],
        trainers.BpeTrainer(vocab_size=500, special_tokens=[*GEMMA_SPECIALS, *BYTES], show_progress=False),
    )
    learnt = json.loads(pairs.to_str())["model"]
    merges = [tuple(pair) for pair in learnt["merges"]]
    usual = {"add_bos_token": False, "add_eos_token": True, "padding_side": "right", "do_lower_case": True}
    return kind(learnt["vocab"], merges, **usual | options)
