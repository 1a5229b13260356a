"""Decode a recording offline, exactly as `rtbci run` would have decoded it live.

python docs/examples/decode_recording.py S007R12.edf
"""

import sys

from rtbci import Decoder, read_recordings

recording = read_recordings(sys.argv[1])[0]
with Decoder("motor_imagery") as decoder:
    verdicts = [one for one in decoder.decode(recording) if one.label is not None]
for verdict in verdicts:
    if verdict.decision is not None:
        print(f"{verdict.estimate.t_window[1]:7.2f} s  {verdict.decision}")
print(f"{len(verdicts)} windows, {sum(one.decision is not None for one in verdicts)} decisions")
