"""The embedded data set: scenes, their pixels, their labels, and sentences about them in two languages."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augment": ["Augmentation", "augment"],
        "backgrounds": ["photo_backgrounds", "photographs"],
        "captions": ["captions", "noisy_captions", "swapped_captions"],
        "datasets": ["CaptionPairs", "SceneDataset", "caption_pairs"],
        "entropy": ["CaptionEntropy", "caption_entropy", "free_word_bits"],
        "labelled": ["Labelled", "labelled_pictures"],
        "labels": ["depth_maps", "keypoints", "semantic_masks"],
        "moved_words": ["mirror_words", "recolor_words"],
        "moves": ["mirror", "rotate"],
        "questions": ["KINDS", "Question", "askable", "questions"],
        "recolor": ["add_noise", "admits_order", "brighten", "permute_channels", "permuted_colors"],
        "referring": ["Reference", "referring"],
        "render": ["Pictures", "render"],
        "scenes": ["SPLITS", "Scenes", "sample_scenes"],
        "shapes": ["COLORS", "SHAPES", "SIZES"],
        "subwords": ["SubwordTokenizer"],
        "tokenizer": ["Tokenizer"],
        "windows": ["crop", "fits_words"],
    },
)
