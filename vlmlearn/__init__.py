"""Learn vision-language models by building them, in Chinese and in English.

Nothing heavy is loaded here: each room (``vlmlearn.world``, ``vlmlearn.losses``, …) is imported when it is first used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "exercises",
        "heads",
        "hub",
        "layers",
        "losses",
        "messages",
        "metrics",
        "models",
        "plots",
        "training",
        "world",
    ],
    submod_attrs={"messages": ["get_language", "set_language"]},
)
