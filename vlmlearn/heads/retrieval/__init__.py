"""What an aligned space can do without training: classify by names, and search."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "encoding": ["DualEncoder", "encode_images", "encode_texts", "fingerprint"],
        "index": ["Hits", "ImageIndex"],
        "prompts": [
            "ClassName",
            "ensemble_prompts",
            "fill_templates",
            "world_class_names",
            "world_templates",
        ],
        "zero_shot": ["ZeroShotClassifier"],
    },
)
