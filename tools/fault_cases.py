"""The faults that runs are tested with: all scenarios that come with rtbci, and more."""

from typing import Any

from rtbci.chaos.scenario import Scenario, list_scenarios, read_scenario

__all__ = ["all_cases"]

MORE: dict[str, list[dict[str, Any]]] = {
    "one sample missing": [{"kind": "dropout", "start_s": 9.0, "length_s": 0.004}],
    "half a second missing": [{"kind": "dropout", "start_s": 9.0, "length_s": 0.5}],
    "two gaps within a window": [
        {"kind": "dropout", "start_s": 9.0, "length_s": 0.1},
        {"kind": "dropout", "start_s": 9.4, "length_s": 0.1},
    ],
    "a gap while warming up": [{"kind": "dropout", "start_s": 0.3, "length_s": 0.1}],
    "held back for 0.1 s": [{"kind": "burst", "start_s": 9.0, "length_s": 0.1}],
    "held back for 4 s": [{"kind": "burst", "start_s": 9.0, "length_s": 4.0}],
    "held back for 8 s": [{"kind": "burst", "start_s": 9.0, "length_s": 8.0}],
    "a burst and a gap in it": [
        {"kind": "burst", "start_s": 9.0, "length_s": 2.0},
        {"kind": "dropout", "start_s": 10.0, "length_s": 0.2},
    ],
    "gone for 0.1 s": [{"kind": "vanish", "start_s": 9.0, "length_s": 0.1}],
    "gone for 1 s": [{"kind": "vanish", "start_s": 9.0, "length_s": 1.0}],
    "gone for 4.9 s": [{"kind": "vanish", "start_s": 9.0, "length_s": 4.9}],
    "gone for 5.5 s": [{"kind": "vanish", "start_s": 9.0, "length_s": 5.5}],
    "gone for 8 s, back in another order": [
        {"kind": "vanish", "start_s": 9.0, "length_s": 8.0, "labels": "permuted"}
    ],
    "gone for 8 s, back at 1000 Hz": [{"kind": "vanish", "start_s": 9.0, "length_s": 8.0, "rate_hz": 1000.0}],
    "back at 200 Hz": [{"kind": "vanish", "start_s": 9.0, "length_s": 2.0, "rate_hz": 200.0}],
    "fast by 500 ppm": [{"kind": "drift", "start_s": 1.0, "length_s": 25.0, "ppm": 500.0}],
    "slow by 500 ppm": [{"kind": "drift", "start_s": 1.0, "length_s": 25.0, "ppm": -500.0}],
    "stamps an hour ahead": [{"kind": "clock_jump", "start_s": 9.0, "offset_s": 3600.0}],
    "stamps back by 0.1 s": [{"kind": "clock_jump", "start_s": 9.0, "offset_s": -0.1}],
    "bursts behind a clock that was set back": [
        {"kind": "clock_jump", "start_s": 6.0, "offset_s": -5.0},
        {"kind": "burst", "start_s": 15.0, "length_s": 0.19},
    ],
    "one sample twice": [{"kind": "duplicate", "start_s": 9.0, "length_s": 0.004}],
    "all samples twice": [{"kind": "duplicate", "start_s": 0.0, "length_s": 30.0}],
    "one NaN": [{"kind": "nan", "start_s": 9.0, "length_s": 0.004, "n_channels": 1}],
    "infinite from the start": [{"kind": "inf", "start_s": 0.0, "length_s": 3.0}],
    "mains on all channels": [{"kind": "line_noise", "start_s": 9.0, "length_s": 6.0, "amplitude": 50.0}],
    "an electrode without numbers from the start": [
        {"kind": "nan", "start_s": 0.0, "length_s": 40.0, "channels": ["CZ"]}
    ],
    "an electrode that loses its numbers again and again": [
        {"kind": "nan", "start_s": at, "length_s": 0.02, "channels": ["C4"]}
        for at in (4.0, 8.0, 12.0, 16.0, 20.0)
    ],
    "an infinite electrode for 8 s": [{"kind": "inf", "start_s": 8.0, "length_s": 8.0, "channels": ["C3"]}],
    "an electrode at the rail for 8 s": [
        {"kind": "saturation", "start_s": 8.0, "length_s": 8.0, "channels": ["C4"]}
    ],
    "a flat electrode and a gap": [
        {"kind": "flat", "start_s": 6.0, "length_s": 12.0, "channels": ["C3"]},
        {"kind": "dropout", "start_s": 10.0, "length_s": 0.1},
    ],
    "stamps an hour behind, then right again": [
        {"kind": "clock_jump", "start_s": 6.0, "length_s": 10.0, "offset_s": -3600.0}
    ],
    "a foreign clock and bursts": [
        {"kind": "clock_jump", "start_s": 0.0, "offset_s": -500.0},
        {"kind": "burst", "start_s": 9.0, "length_s": 2.0},
        {"kind": "burst", "start_s": 20.0, "length_s": 0.15},
    ],
    "a twin with the same source_id": [
        {"kind": "twin", "start_s": 5.0, "length_s": 10.0, "source_id": "same"}
    ],
}
SECOND_SEEDS = ("radio_dropouts", "bluetooth_bursts", "not_finite", "sent_twice", "short_losses")


def all_cases() -> dict[str, Scenario]:
    """Scenarios by name; those of ours carry their seed in the name."""
    shipped = {f"{name} ({one.seed})": one for name in list_scenarios() for one in (read_scenario(name),)}
    again = {f"{name} (7)": read_scenario(name).model_copy(update={"seed": 7}) for name in SECOND_SEEDS}
    more = {
        title: Scenario.model_validate(
            {"schema": 1, "title": title, "seed": i, "duration_s": 28.0, "faults": faults}
        )
        for i, (title, faults) in enumerate(MORE.items())
    }
    return shipped | again | more
