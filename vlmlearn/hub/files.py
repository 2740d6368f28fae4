"""Where a checkpoint's files are: a folder, or a name on the Hugging Face Hub, fetched once and kept."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmlearn.hub.extra import extra_missing

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.msgpack", "*.h5")  # what other programs store weights in
FILES = (  # nothing else is fetched: no pickle, no code
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "spiece.model",
    SINGLE,
    INDEX,
    "model-*-of-*.safetensors",
)
CONVERTER = "SFconvertbot"  # the Hub's own robot, which offers safetensors where an owner has only a pickle


@dataclass(frozen=True)
class Source:
    """Where a checkpoint comes from.

    Args:
        id: the name on the Hub, or the folder.
        folder: its files on this machine.
        commit: the exact version; ``None`` for a folder.
    """

    id: str
    folder: Path
    commit: str | None = None

    def __str__(self) -> str:
        return f"{self.id} @ {self.commit}" if self.commit else self.id


def find(name: str | Path, revision: str | None = None) -> Source:
    """A folder as it is; a name of the Hub after fetching what is not there yet.

    A file gets its name in the cache only once it is complete, so a fetch that breaks off leaves no half of one
    and goes on next time. Where there is no network, what was fetched before is used.

    Args:
        name: "owner/name", or a folder.
        revision: a branch, tag or commit. ``None``: the newest; if that has only pickled weights, the version
            that the Hub's converter offers in safetensors.

    Raises:
        ValueError: no such name, revision or folder, or a revision of a folder. ConnectionError: no network.
    """
    folder = Path(name).expanduser()
    if folder.is_dir() and str(name):
        if revision is not None:
            raise ValueError(f"{name} is a folder and has no revision {revision!r}: leave revision out")
        return Source(str(name), folder)
    if isinstance(name, Path) or str(name).startswith((".", "/", "~")) or str(name).count("/") != 1:
        raise ValueError(
            f"{str(name)!r} is no folder here, nor a name of the Hub: expected a folder with config.json, or "
            '"owner/name" such as "openai/clip-vit-base-patch32"'
        )
    source = _fetch(name, revision)
    if revision is None and not _has_weights(source.folder):
        conversion = _conversion(name)
        if conversion is not None:
            print(f"{source} has no safetensors; taking the Hub's own conversion, revision={conversion!r}")
            return _fetch(name, conversion)
    return source


def read_json(path: Path) -> dict[str, Any]:
    """The settings in a file.

    Raises:
        FileNotFoundError: no such file. ValueError: it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} has no {path.name}: is it the folder of a published model?")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON ({error}): {fetch_again(path)}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {type(found).__name__}, expected settings by name")
    return found


def fetch_again(path: Path) -> str:
    """What to do about a damaged file: in the Hub's cache its name only points to what must go."""
    return f"delete {path.resolve()} and load again"


def _has_weights(folder: Path) -> bool:
    return (folder / SINGLE).is_file() or (folder / INDEX).is_file()


def _fetch(name: str, revision: str | None) -> Source:
    try:
        from huggingface_hub import snapshot_download
        from tqdm.auto import tqdm
    except ModuleNotFoundError as error:
        raise extra_missing("huggingface_hub") from error
    try:
        folder = snapshot_download(name, revision=revision, allow_patterns=list(FILES), tqdm_class=tqdm)
    except Exception as error:
        _explain(error, name, revision)
        raise
    return Source(name, Path(folder), Path(folder).name)  # the cache names a version's folder by its commit


def _conversion(name: str) -> str | None:
    """The revision that the Hub's converter offers, if it does. Only its own: anyone may offer changes."""
    from huggingface_hub import HfApi

    try:
        offers = list(HfApi().get_repo_discussions(name, author=CONVERTER, discussion_type="pull_request"))
    except Exception as error:
        kept = _kept_conversion(name)
        if kept is not None:
            return kept
        _explain(error, name, None)
        raise
    numbers = [
        offer.num
        for offer in offers
        if offer.author == CONVERTER and offer.status == "open" and "safetensors" in offer.title
    ]
    return f"refs/pr/{max(numbers)}" if numbers else None


def _kept_conversion(name: str) -> str | None:
    """The conversion that was taken before, for whoever has no network now."""
    from huggingface_hub import scan_cache_dir

    for model in scan_cache_dir().repos:
        for version in model.revisions if model.repo_id == name else ():
            offered = [ref for ref in version.refs if ref.startswith("refs/pr/")]
            if offered and {file.file_name for file in version.files} & {SINGLE, INDEX}:
                return offered[0]
    return None


def _explain(error: Exception, name: str, revision: str | None) -> None:
    """Raise an error of ours for the library's about names and networks; return for any other (a full disk)."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        said = f"{name} is open only to those who accept its terms: do so on its page, then log in"
        raise ValueError(said) from error
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        said = f"the Hub knows no {name!r}: check owner and name (for a private one, log in)"
        raise ValueError(said) from error
    if isinstance(error, errors.RevisionNotFoundError):
        raise ValueError(f"{name} has no revision {revision!r}: leave it out for the newest") from error
    library = type(error).__module__.partition(".")[0]  # the one for HTTP has another name in older versions
    if isinstance(error, ConnectionError) or library in ("huggingface_hub", "httpx", "httpx2", "httpcore"):
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ConnectionError(
            f"{name} could not be fetched, and is not complete in the cache ({type(error).__name__}: {reason}). "
            "Without a network, copy its config.json, model.safetensors and the tokenizer's and preprocessor's "
            'files into a folder and load that: load("path/of/the/folder"). Where only the Hub cannot be '
            "reached, the environment variable HF_ENDPOINT may name a mirror"
        ) from error
