"""Build the bilingual site: ``python -m book.site [--out DIR] [--address URL]``."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from book.project import BuildError, Project
from book.site.build import DEFAULT_OUT, build


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m book.site", description=__doc__)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="where the site goes")
    parser.add_argument(
        "--address",
        default="",
        metavar="URL",
        help="where the site will be served; links between the languages then name it in full",
    )
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    try:
        build(options.out, Project(), address=options.address)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.out / 'index.html'}: {time.perf_counter() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
