"""``python -m examples.generate``: write the example catalogue. The same bytes every time."""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.generate.skus import ENTRIES, write_catalogue

DEFAULT = Path(__file__).resolve().parent.parent / "catalogue"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.generate", description="Write the example catalogue.")
    parser.add_argument("--out", type=Path, default=DEFAULT, help="catalogue folder (default: examples/catalogue)")
    parser.add_argument("--sku", action="append", choices=[entry.sku for entry in ENTRIES],
                        help="only this SKU; may be repeated")
    arguments = parser.parse_args()
    for folder in write_catalogue(arguments.out, arguments.sku):
        files = sorted(file for file in folder.iterdir() if file.is_file())
        size = sum(file.stat().st_size for file in files)
        print(f"{folder.name:28} {size / 1000:7.0f} kB  {', '.join(file.name for file in files)}")


if __name__ == "__main__":
    main()
