"""`python -m examples.game` in a checkout, or `python path/to/game` anywhere."""

import sys
from pathlib import Path

if not __package__:  # started by its folder's path: make the folder a package (PEP 366)
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)
    __package__ = folder.name
    __import__(__package__)

from .command import main

main()
