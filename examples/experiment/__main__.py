"""`python examples/experiment`, wherever it lies."""

import sys
from pathlib import Path

if not __package__:  # started by its folder's path: make the folder a package (PEP 366)
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)
    __package__ = folder.name
    __import__(__package__)

from .experiment import main

sys.exit(main())
