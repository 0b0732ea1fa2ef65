"""The packshot command. SKUs by --sku, files positional, --json for machines.

Exit status: 0 done, 1 defects found (score) or SKUs failed, 2 bad input.
"""

from __future__ import annotations

import json
import sys
from typing import NoReturn

import typer

from pipeline.commands import app
from pipeline.errors import CatalogueError, PackshotError, StoreError

# typer carries its own copy of click, and exports of its usage errors only this one.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def main() -> None:
    """Entry point of the ``packshot`` command."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        sys.exit(app(standalone_mode="--json" not in sys.argv))
    except PackshotError as error:
        _fail(error)
    except UsageError as error:  # under --json; otherwise typer prints its own
        _fail(CatalogueError("usage", str(error), "packshot --help lists commands and options."))
    except (BotoCoreError, ClientError) as error:
        _fail(StoreError("storage", str(error), "Check credentials, region and AWS_ENDPOINT_URL."))
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        _fail(StoreError("path", f"{error.filename}: {error.strerror}.", "Give a folder that can be written."))


def _fail(error: PackshotError) -> NoReturn:
    if "--json" in sys.argv:
        print(json.dumps({"error": error.as_dict()}))
    else:
        print(f"error: {error.message} [{error.code}]", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
