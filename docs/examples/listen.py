"""Print decisions of a running `rtbci run` or `rtbci demo --pub tcp://127.0.0.1:5571`; Ctrl-C stops.

python docs/examples/listen.py tcp://127.0.0.1:5571 10
"""

import sys

from rtbci import Client

address, n_predictions = sys.argv[1], int(sys.argv[2])
with Client(address) as client:
    for n_seen, prediction in enumerate(client, start=1):
        if prediction.decision is not None:
            print(f"{prediction.decision}  (age {prediction.age_ms:.0f} ms)")
        if n_seen == n_predictions:
            break
    print(f"{n_seen} predictions, {client.n_lost['prediction']} missed")
