"""Blocks that every model shares."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attention": ["Attention", "AttentionPool"],
        "bert": ["Bert", "BertConfig", "BertEmbeddings", "BertTower"],
        "bidirectional_text": ["BidirectionalTextConfig", "BidirectionalTextTower"],
        "cbam": ["CBAM"],
        "convnext": ["ConvNeXtConfig", "ConvNeXtTower"],
        "differential": ["DifferentialAttention"],
        "efficientnet": ["EfficientNet", "EfficientNetConfig", "Stage"],
        "feed_forward": ["FeedForward"],
        "gated": ["GatedFeedForward", "make_feed_forward"],
        "image_towers": ["GridConfig", "GridTower", "PatchCNN"],
        "map_head": ["MapHead"],
        "map_vit": ["MapViTConfig", "MapViTTower"],
        "masks": ["causal_mask", "masked_mean", "padding_mask"],
        "naflex": ["NaFlexConfig", "NaFlexTower"],
        "norms": ["Norm"],
        "patch_lists": ["PatchList", "fitting_size", "patch_list"],
        "patches": ["patchify", "unpatchify"],
        "resnet": ["ResNetConfig", "ResNetTower"],
        "text_tower": ["TextConfig", "TextTower"],
        "transformer": ["Transformer", "TransformerBlock"],
        "vit": ["VisionTransformer", "ViTConfig", "ViTTower"],
    },
)
