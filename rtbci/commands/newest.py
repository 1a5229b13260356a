"""An option that may stand alone: ``--resume`` or ``--resume SESSION``."""

from typing import Any

from typer.core import TyperCommand

__all__ = ["WithNewest"]

FLAG, NEWEST = "--resume", "newest"


class WithNewest(TyperCommand):
    """A command whose ``--resume`` means the newest session where no other is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in what is left out, then parse."""
        if FLAG in args:
            i = args.index(FLAG) + 1
            if i == len(args) or args[i].startswith("-"):
                args = [*args[:i], NEWEST, *args[i:]]
        return super().parse_args(ctx, args)
