"""Options of a command in groups: one parameter of the function for all that belong together, one panel of its ``--help``."""

import functools
import inspect
from collections.abc import Callable, Iterator
from copy import copy
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer.models import ParameterInfo

__all__ = ["grouped"]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take groups of options, which typer knows nothing of.

    Parameters
    ----------
    command : callable
        Each of its parameters whose type is a `NamedTuple` stands for one option for each field; the fields' annotations
        are those of options, the first line of the type's docstring is the title of the panel. All have defaults.

    Returns
    -------
    callable
        With all options one by one in its signature. It makes the groups and calls `command`.

    Raises
    ------
    TypeError
        When two options have the same name.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: one.annotation for name, one in signature.parameters.items() if _is_group(one.annotation)
    }
    options: list[inspect.Parameter] = []
    for name, one in signature.parameters.items():
        alone = one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        options += _options_of(groups[name]) if name in groups else [alone]
    names = [one.name for one in options]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TypeError(f"{command.__name__}: {', '.join(twice)} in two groups, need every option once")

    @functools.wraps(command)
    def with_groups(**given: Any) -> None:
        made = {
            name: group(**{field: given.pop(field) for field in group._fields})
            for name, group in groups.items()
        }
        command(**made, **given)

    with_groups.__dict__["__signature__"] = signature.replace(parameters=options)
    with_groups.__annotations__ = {one.name: one.annotation for one in options}
    return with_groups


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def _options_of(group: Any) -> Iterator[inspect.Parameter]:
    """The options that a group stands for, in the panel of its title."""
    title = (inspect.getdoc(group) or "").partition("\n")[0].rstrip(".")
    for name, annotation in get_type_hints(group, include_extras=True).items():
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=group._field_defaults[name],
            annotation=_in_panel(annotation, title),
        )


def _in_panel(annotation: Any, title: str) -> Any:
    if get_origin(annotation) is not Annotated:
        return annotation
    type_, *about = get_args(annotation)
    shown = []
    for one in about:
        one = copy(one)  # an option may be of several commands
        if isinstance(one, ParameterInfo):
            one.rich_help_panel = title
        shown.append(one)
    return Annotated[type_, *shown]
