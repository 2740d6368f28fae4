"""What this room needs beyond the package itself, and how to say that it is not there."""


def extra_missing(package: str) -> ModuleNotFoundError:
    """The error for a package of the extra ``hub`` that is not installed."""
    return ModuleNotFoundError(
        f'published checkpoints need the package {package}: pip install "vlmlearn[hub]"', name=package
    )
