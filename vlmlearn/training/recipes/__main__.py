"""``python -m vlmlearn.training.recipes NN``: run the sweeps of a chapter and write ``vlmlearn/results/NN.json``."""

import argparse
import importlib
import pkgutil

import vlmlearn.training.recipes as recipes
from vlmlearn.training.recipes.record import save_results


def main() -> None:
    found = sorted(m.name for m in pkgutil.iter_modules(recipes.__path__) if m.name.startswith("chapter_"))
    chapters = [name.removeprefix("chapter_") for name in found]
    parser = argparse.ArgumentParser(prog="python -m vlmlearn.training.recipes", description=__doc__)
    parser.add_argument("chapter", choices=chapters, help="the chapter's number")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2, as in the notebooks)")
    options = parser.parse_args()
    recipe = importlib.import_module(f"vlmlearn.training.recipes.chapter_{options.chapter}")
    print(f"wrote {save_results(options.chapter, recipe, threads=options.threads)}")


if __name__ == "__main__":
    main()
