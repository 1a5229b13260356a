"""`rtbci` and `python -m rtbci`: the command line. Ctrl-C while it is being loaded ends it as later, without a traceback."""

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Load the command line and run it."""
    try:
        from rtbci.cli import main as run_command_line
    except KeyboardInterrupt:
        sys.exit(130)
    run_command_line()


if __name__ == "__main__":
    main()
