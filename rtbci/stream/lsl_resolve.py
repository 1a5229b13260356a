"""Finding the one LSL stream that a description means, or saying why there is not one."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pylsl

from rtbci.clock import Clock, now
from rtbci.errors import ConfigError, StreamError, StreamNotFoundError
from rtbci.stream.lsl_info import is_regular
from rtbci.system import quoting

__all__ = ["StreamQuery", "choices", "predicate_of", "quoted", "resolve_one"]

SETTLE_S = 0.4
"""After the first answer, how long others may take: two streams must not be a race for one.

Not 0.5: then liblsl asks its known peers, and a search that ends at that moment goes on for the 5 s that it gives them
(liblsl 1.18.0.b6: 7 of 42 openings took 6.2 s instead of 1.2). It asks them again every 1.25 s.
"""
HINT = (
    "see what is on the network with 'rtbci streams'; start a stream with the amplifier's LSL program, "
    "'rtbci replay FILE' or 'rtbci amp'; across computers, LSL needs multicast and the UDP and TCP ports "
    "16571 to 16604 open in both firewalls"
)

PROPERTIES = {
    "name": "name",
    "type": "type",
    "source_id": "source_id",
    "host": "hostname",
    "uid": "uid",
    "channels": "channel_count",
    "rate": "nominal_srate",
}
"""What a stream can be chosen by, and what liblsl calls it. A program that starts again gives its stream another uid."""
PAIRS = re.compile(rf"(?:^|,)\s*({'|'.join(PROPERTIES)})\s*=")
NUMBERS = ("channels", "rate")
CHOSEN_BY: tuple[tuple[str, ...], ...] = (
    ("name",),
    ("name", "source_id"),
    ("name", "source_id", "host"),
    ("name", "source_id", "type"),
    ("name", "source_id", "channels"),
    ("name", "source_id", "rate"),
    ("uid",),
)
"""What is tried to tell a stream from the others: names first, which stay the same when a program starts again."""
READ: dict[str, Callable[[Any], str]] = {
    "name": lambda info: str(info.name()),
    "type": lambda info: str(info.type()),
    "source_id": lambda info: str(info.source_id()),
    "host": lambda info: str(info.hostname()),
    "uid": lambda info: str(info.uid()),
    "channels": lambda info: str(info.channel_count()),
    "rate": lambda info: f"{info.nominal_srate():g}",
}


@dataclass(frozen=True, slots=True)
class StreamQuery:
    """What is known of a stream that is looked for; what is empty does not matter.

    Parameters
    ----------
    name, type, source_id : str
        Must be equal. With no name, source_id and predicate, `type` is EEG.
    predicate : str
        XPath 1.0 over the stream's description, for instance ``starts-with(name,'Bio')``.
    """

    name: str = ""
    type: str = ""
    source_id: str = ""
    predicate: str = ""

    @property
    def xpath(self) -> str:
        """The predicate that liblsl resolves."""
        named = {"name": self.name, "type": self.type, "source_id": self.source_id}
        parts = [f"{key}={quoted(value)}" for key, value in named.items() if value]
        if self.predicate:
            parts.append(f"({self.predicate})")
        return " and ".join(parts) or "(type='EEG' or type='eeg')"

    def __str__(self) -> str:
        named = {
            "name": self.name,
            "type": self.type,
            "source id": self.source_id,
            "predicate": self.predicate,
        }
        return " and ".join(f"{key} '{value}'" for key, value in named.items() if value) or "type 'EEG'"


def predicate_of(text: str) -> str:
    """What ``--stream`` means where it names properties: ``host=lab2``, ``name=EEG,host=lab2``, ``uid=...``.

    Returns
    -------
    str
        A predicate for `StreamQuery`; empty where the text is the name of a stream.

    Raises
    ------
    ConfigError
        When a property has no value, or a number is none.

    Examples
    --------
    >>> predicate_of("EEG")
    ''
    >>> predicate_of("name=My, EEG,host=lab2")
    "name='My, EEG' and hostname='lab2'"
    """
    found = list(PAIRS.finditer(text))
    if not found or found[0].start():
        return ""
    parts = []
    for one, then in zip(found, [*found[1:], None], strict=True):
        key, value = one[1], text[one.end() : then.start() if then else None].strip()
        if not value or (key in NUMBERS and not re.fullmatch(r"\d+(\.\d+)?", value)):
            raise ConfigError(
                f"--stream: {key} is '{value}', need {'a number' if key in NUMBERS else 'a value'}; as {key}=..., see `rtbci streams`"
            )
        parts.append(_test(key, value))
    return " and ".join(parts)


def _test(key: str, value: str) -> str:
    return f"{PROPERTIES[key]}={value if key in NUMBERS else quoted(value)}"


def choices(infos: Sequence[Any]) -> list[str]:
    """The option that means each of some streams and none of the others, to be pasted into a shell.

    Parameters
    ----------
    infos : sequence of pylsl.StreamInfo
    """
    return [_choice(info, [other for other in infos if other is not info]) for info in infos]


def _choice(info: Any, others: Sequence[Any]) -> str:
    for keys in CHOSEN_BY:
        values = {key: READ[key](info) for key in keys if READ[key](info)}
        if any(all(READ[key](other) == value for key, value in values.items()) for other in others):
            continue
        if keys == ("name",) and not predicate_of(values["name"]):
            return f"--stream {quoting.quoted(values['name'])}"
        pairs = ",".join(f"{key}={value}" for key, value in values.items())
        if predicate_of(pairs) == " and ".join(_test(key, value) for key, value in values.items()):
            return f"--stream {quoting.quoted(pairs)}"  # a name may hold what looks like another property
    return "--stream " + quoting.quoted(f"uid={READ['uid'](info)}")


def quoted(text: str) -> str:
    """Text as a literal of XPath 1.0, which has no escapes."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    return "concat(" + ', "\'", '.join(f"'{part}'" for part in text.split("'")) + ")"


def resolve_one(query: StreamQuery, timeout_s: float, clock: Clock = now, known_host: str = "") -> Any:
    """Find the stream that `query` means.

    Of several, those of type EEG are preferred, and marker streams are never taken.

    Parameters
    ----------
    query : StreamQuery
    timeout_s : float
        How long it is looked for, seconds.
    clock : Clock
    known_host : str, optional
        Computer of a stream that is looked for again: the first that answers from there is taken, as liblsl does when it
        reconnects, and when there is none nobody asks what else there is.

    Returns
    -------
    pylsl.StreamInfo
        Without its description.

    Raises
    ------
    StreamNotFoundError
        When there is none within `timeout_s` seconds, or more than one.
    StreamError
        When what answers is not a signal: text, or samples at no steady rate.
    """
    t_end = clock() + timeout_s
    found = pylsl.resolve_bypred(query.xpath, 1, max(timeout_s, 0.0))
    is_known = bool(known_host and query.source_id and found) and found[0].hostname() == known_host
    if found and not is_known:
        # Asking for more than there are makes liblsl listen for the whole time.
        found = pylsl.resolve_bypred(query.xpath, 1000, max(min(SETTLE_S, t_end - clock()), 0.1)) or found
    found = list({info.uid(): info for info in found}.values())
    if not found:
        raise StreamNotFoundError(
            f"LslSource: no stream of {query} within {timeout_s:g} s; {'' if known_host else _others()}{HINT}"
        )
    signals = [info for info in found if is_regular(info) and info.type().upper() != "MARKERS"]
    if not signals:
        raise StreamError(
            f"LslSource: stream '{found[0].name()}' of type '{found[0].type()}' holds text or has no steady "
            "rate, need numbers at a fixed rate; choose the signal's own stream, see 'rtbci streams'"
        )
    eeg = [info for info in signals if info.type().upper() == "EEG"]
    chosen = eeg or signals
    if len(chosen) > 1:
        raise StreamNotFoundError(
            f"LslSource: {len(chosen)} streams of {query}, need one; choose by the option in its row\n"
            f"{_table(chosen, choices(chosen))}"
        )
    return chosen[0]


def _others() -> str:
    others = pylsl.resolve_streams(SETTLE_S)
    return f"there are only\n{_table(others)}\n" if others else ""


def _table(infos: Sequence[Any], options: Sequence[str] = ()) -> str:
    columns: dict[str, Callable[[Any], str]] = {
        "name": READ["name"],
        "type": READ["type"],
        "channels": READ["channels"],
        "rate": lambda info: f"{READ['rate'](info)} Hz",
        "host": READ["host"],
        "source id": READ["source_id"],
    }
    rows = [tuple(columns), *(tuple(read(info) for read in columns.values()) for info in infos)]
    if options:
        rows = [(*row, option) for row, option in zip(rows, ["option", *options], strict=True)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"  {line.rstrip()}" for line in lines)
