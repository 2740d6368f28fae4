"""Blocks that every model shares."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attention": ["Attention", "AttentionPool"],
        "bert": ["Bert", "BertEmbeddings"],
        "feed_forward": ["FeedForward"],
        "image_towers": ["PatchCNN", "VisionTransformer"],
        "masks": ["causal_mask", "masked_mean", "padding_mask"],
        "patches": ["patchify", "unpatchify"],
        "transformer": ["Transformer", "TransformerBlock"],
    },
)
