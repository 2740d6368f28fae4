"""One file a system, assembled from the rooms below."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "align": ["ALIGN", "AlignConfig"],
        "baselines": ["ColorHistogramBaseline"],
        "chinese_clip": ["ChineseCLIP", "ChineseCLIPConfig"],
        "classifier": ["PictureClassifier"],
        "clip": ["CLIP", "CLIPConfig", "CLIPOutput"],
        "place_reader": ["PlaceReader"],
        "region_encoder": ["RegionEncoder", "RegionEncoderConfig", "Regions"],
        "siglip": ["SigLIP", "SigLIPConfig", "SigLIPOutput"],
        "siglip2": ["SigLIP2", "SigLIP2Config"],
    },
)
