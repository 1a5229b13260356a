import builtins
import inspect

import pytest

from rtbci import errors
from rtbci.errors import RtbciError

NAMES = [name for name in errors.__all__ if name != "RtbciError"]


def test_all_are_listed() -> None:
    defined = [name for name, value in vars(errors).items() if inspect.isclass(value)]
    assert sorted(defined) == sorted(errors.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_also_a_builtin_that_it_resembles(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, RtbciError)
    resembled = [base for base in kind.__mro__ if hasattr(builtins, base.__name__)]
    assert resembled[0] not in (Exception, BaseException, object)
    with pytest.raises(resembled[0], match="where: got this, need that; do so"):
        raise kind("where: got this, need that; do so")


@pytest.mark.parametrize("name", errors.__all__)
def test_exit_status_says_something_went_wrong(name: str) -> None:
    assert 1 <= getattr(errors, name).exit_code < 64
    assert str(getattr(errors, name)("a message")) == "a message"
