"""Blocks that every model shares."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attention": ["Attention", "AttentionPool"],
        "bert": ["Bert", "BertConfig", "BertEmbeddings", "BertTower"],
        "convnext": ["ConvNeXtConfig", "ConvNeXtTower"],
        "efficientnet": ["EfficientNet", "EfficientNetConfig", "Stage"],
        "feed_forward": ["FeedForward"],
        "image_towers": ["GridConfig", "GridTower", "PatchCNN"],
        "masks": ["causal_mask", "masked_mean", "padding_mask"],
        "patches": ["patchify", "unpatchify"],
        "resnet": ["ResNetConfig", "ResNetTower"],
        "text_tower": ["TextConfig", "TextTower"],
        "transformer": ["Transformer", "TransformerBlock"],
        "vit": ["VisionTransformer", "ViTConfig", "ViTTower"],
    },
)
