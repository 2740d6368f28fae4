"""One file a system, assembled from the rooms below."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "baselines": ["ColorHistogramBaseline"],
        "classifier": ["PictureClassifier"],
        "clip": ["CLIP", "CLIPConfig", "CLIPOutput"],
        "place_reader": ["PlaceReader"],
    },
)
