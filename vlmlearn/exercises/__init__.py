"""Checks that say what is wrong with a learner's own function; one file of exercises a chapter."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checking": ["check"],
        "exercise": ["Case", "Exercise", "Mistake", "Property"],
        "placement": ["placement"],
        "record": ["progress"],
        "repair": ["Repair", "Trial"],
        "verdict": ["Verdict"],
    },
)
