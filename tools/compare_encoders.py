"""Encoders trained in different ways on the same folds: accuracy, and what each gains on the first.

    python -m tools.compare_encoders build/train_motor_imagery build/start_pretrained --only-fold 0

Folders are those that ``tools.train_motor_imagery --work`` wrote, also with ``--encoder-only``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rtbci.errors import RtbciError
from tools.training.comparing import encoder_table

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", help="folders of fold0.npz ...")
    parser.add_argument("--only-fold", type=int, action="append", metavar="I", help="default: fold 0 alone")
    args = parser.parse_args(arguments)
    try:
        print(encoder_table([(folder.name, folder) for folder in args.folders], args.only_fold or [0]))
    except RtbciError as error:
        print(f"compare: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
