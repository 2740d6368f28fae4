"""The embedded data set: scenes, their pixels, their labels, and sentences about them in two languages."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "backgrounds": ["photo_backgrounds", "photographs"],
        "captions": ["captions", "noisy_captions", "swapped_captions"],
        "datasets": ["CaptionPairs", "SceneDataset", "caption_pairs"],
        "entropy": ["CaptionEntropy", "caption_entropy", "free_word_bits"],
        "labels": ["depth_maps", "keypoints", "semantic_masks"],
        "questions": ["KINDS", "Question", "askable", "questions"],
        "referring": ["Reference", "referring"],
        "render": ["Pictures", "render"],
        "scenes": ["SPLITS", "Scenes", "sample_scenes"],
        "shapes": ["COLORS", "SHAPES", "SIZES"],
        "subwords": ["SubwordTokenizer"],
        "tokenizer": ["Tokenizer"],
    },
)
