"""What somebody with a key or a token may do."""

from typing import Literal

__all__ = ["ROLES", "Role", "may"]

Role = Literal["listener", "controller"]
"""A listener receives messages; a controller may also send control requests."""

ROLES: tuple[Role, ...] = ("listener", "controller")


def may(role: Role | None, needed: Role) -> bool:
    """Whether a role is enough; None, somebody unknown, never is."""
    return role is not None and ROLES.index(role) >= ROLES.index(needed)
