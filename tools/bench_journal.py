"""What a journal costs a run: time in front of a decision, and behind it.

    python tools/bench_journal.py --seconds 20 --rounds 5

The paradigm decodes the synthetic amplifier in chunks of 8 samples, as fast as it can; with and without in turn.
"""

import argparse
import statistics
from collections.abc import Sequence

import msgspec
import numpy as np

from rtbci.amp.synthetic import DEFAULT_CHANNELS, SyntheticAmp
from rtbci.clock import now
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.journal import Journal, Taken
from rtbci.stream.source import Chunk

CHUNK = 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--paradigm", default="motor_imagery")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    amp = SyntheticAmp(DEFAULT_CHANNELS, seed=1)
    rate_hz = amp.info.rate_hz
    chunks: list[Chunk] = []
    for i in range(int(options.seconds * rate_hz / CHUNK)):
        data, _ = amp.generate(CHUNK)
        chunks.append(Chunk(data, (i * CHUNK + np.arange(CHUNK)) / rate_hz))
    with Decoder(options.paradigm) as decoder:
        found = [_round(decoder, amp, chunks, bool(i % 2)) for i in range(2 * options.rounds)]
    without, journalled = found[::2], found[1::2]
    rows: dict[str, Sequence[float]] = {
        "push_us_without": [one[0] for one in without],
        "push_us_with": [one[0] for one in journalled],
        "note_us": [one[1] for one in journalled],
        "note_us_with_window": [one[2] for one in journalled],
        "row_bytes": [one[3] for one in journalled],
    }
    print(msgspec.json.encode({key: statistics.median(values) for key, values in rows.items()}).decode())


def _round(
    decoder: Decoder, amp: SyntheticAmp, chunks: Sequence[Chunk], is_journalled: bool
) -> tuple[float, float, float, float]:
    """Medians: of a push that completes a window, of all notes, of those behind a window, and bytes of a row."""
    rows: list[Taken] = []
    decoder.open(amp.info)
    journal = Journal(decoder, rows.append) if is_journalled else None
    if journal is not None:
        journal.opened()
    pushes, notes, windows, n_sent = [], [0.0], [0.0], {"prediction": 0, "event": 0, "status": 0}
    for chunk in chunks:
        t_start = now()
        verdicts = decoder.push(chunk.data, chunk.t_lsl)
        t_pushed = now()
        n_sent["prediction"] += len(verdicts)
        if journal is not None:
            journal.note(chunk, (), t_start, n_sent)
            (windows if verdicts else notes).append(now() - t_pushed)
        if verdicts:
            pushes.append(t_pushed - t_start)
    n_bytes = statistics.median(len(msgspec.json.encode(row)) for row in rows) if rows else 0.0
    medians = [1e6 * statistics.median(one) for one in (pushes, notes, windows)]
    return (medians[0], medians[1], medians[2], n_bytes)


if __name__ == "__main__":
    main()
