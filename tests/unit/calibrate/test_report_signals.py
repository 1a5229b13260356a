import dataclasses

import msgspec
import numpy as np
import pytest

from rtbci.calibrate.report_signals import (
    BANDS_HZ,
    band_change_db,
    common_hum,
    cut_epochs,
    look_at_channels,
    time_frequency_db,
)
from tests.report_samples import LABELS, make_trials, record_of

HALVED_DB = 10 * np.log10(((10 / 22) ** 2 + 10 / 121) / ((10 / 11) ** 2 + 10 / 121))
"""Half the amplitude at one of 11 electrodes, seen against their mean: the mean brings in 1/11 of the other ten."""
UPPER = [label.upper() for label in LABELS]


def test_epochs_are_on_one_axis_and_without_the_common_part() -> None:
    trials = make_trials(6)
    trials[2] = trials[2].rejected("movement")
    epochs = cut_epochs(record_of(trials), trials, 2.0)
    assert epochs is not None
    assert epochs.labels == UPPER
    assert epochs.data_uv.shape == (5, len(LABELS), len(epochs.t_s))
    assert epochs.i_class.tolist() == [0, 1, 1, 0, 1]
    assert epochs.can_compare
    np.testing.assert_allclose(epochs.data_uv.mean(axis=1), 0.0, atol=1e-9)
    assert epochs.t_s[epochs.active][[0, -1]] == pytest.approx([0.5, 2.5])


def test_a_few_electrodes_stay_as_recorded() -> None:
    labels = ("C3", "Cz", "C4")
    trials = make_trials(2, labels)
    epochs = cut_epochs(record_of(trials, labels), trials, 2.0)
    assert epochs is not None
    raw = trials[0].raw_uv[:, 0] - trials[0].raw_uv[:, 0].mean()
    assert (
        np.abs(epochs.data_uv[0, 0, 10:-10] - np.interp(epochs.t_s, trials[0].t_raw, raw)[10:-10]).max() < 0.1
    )


def test_what_has_no_place_on_the_head_is_left_out() -> None:
    labels = ("C3", "EEG C3", "Status", "M1", "C4", "PZ", "bad one")
    trials = make_trials(2, labels)
    record = record_of(trials, labels)
    record = msgspec.structs.replace(record, stream=msgspec.structs.replace(record.stream, bad=["PZ"]))
    epochs = cut_epochs(record, trials, 2.0)
    assert epochs is not None
    assert epochs.labels == ["C3", "C4"]


def test_no_epochs_without_trials_or_electrodes() -> None:
    trials = make_trials(2)
    assert cut_epochs(record_of([]), [], 2.0) is None
    assert cut_epochs(record_of(trials), [one.rejected("x") for one in trials], 2.0) is None
    other = make_trials(2, ("X1", "X2"))
    assert cut_epochs(record_of(other, ("X1", "X2")), other, 2.0) is None


def test_trials_that_do_not_overlap_cannot_be_compared() -> None:
    a, b = make_trials(2)
    early = dataclasses.replace(a, raw_uv=a.raw_uv[:100], t_raw=a.t_raw[:100])
    late = dataclasses.replace(b, raw_uv=b.raw_uv[300:], t_raw=b.t_raw[300:])
    epochs = cut_epochs(record_of([early, late]), [early, late], 2.0)
    assert epochs is not None
    assert not epochs.can_compare


def test_desynchronisation_is_where_it_was_made() -> None:
    trials = make_trials(20)
    epochs = cut_epochs(record_of(trials), trials, 2.0)
    assert epochs is not None
    left, right = (band_change_db(epochs, BANDS_HZ["mu"])[i] for i in (0, 1))
    assert UPPER[int(np.argmin(left))] == "C4"
    assert UPPER[int(np.argmin(right))] == "C3"
    assert left.min() == pytest.approx(HALVED_DB, abs=1.0)
    others = [i for i, label in enumerate(UPPER) if label not in ("C3", "C4")]
    assert np.abs(left[others]).max() < 1.5


def test_time_and_frequency_of_the_change() -> None:
    trials = make_trials(40)
    epochs = cut_epochs(record_of(trials), trials, 2.0)
    assert epochs is not None
    f_hz, change_db = time_frequency_db(epochs, "C4", 0)
    assert change_db.shape == (len(f_hz), len(epochs.t_s))
    row = change_db[int(np.argmin(np.abs(f_hz - 10)))]
    assert row[(epochs.t_s > 1) & (epochs.t_s < 2.5)].mean() == pytest.approx(HALVED_DB, abs=1.0)
    assert abs(row[epochs.t_s < -0.2].mean()) < 0.5
    other_f = change_db[int(np.argmin(np.abs(f_hz - 25)))]
    assert abs(other_f[epochs.active].mean()) < 1.0


def test_channels_that_are_not_well() -> None:
    trials = make_trials(4)
    t_s = trials[0].t_raw
    spoilt = []
    for i, one in enumerate(trials):
        raw_uv = one.raw_uv.copy()
        raw_uv[:, 0] = 7.0  # flat
        raw_uv[:, 1] += 500 * np.sin(2 * np.pi * 12 * t_s)
        raw_uv[:, 2] += 20 * np.sin(2 * np.pi * 50 * t_s)
        raw_uv[:, 3] += 400 * np.sin(2 * np.pi * 5 * t_s) * (i == 0)
        spoilt.append(dataclasses.replace(one, raw_uv=raw_uv))
    record = record_of(spoilt)
    record = msgspec.structs.replace(record, stream=msgspec.structs.replace(record.stream, bad=["Cz"]))
    looks = {one.label: one for one in look_at_channels(record, spoilt)}
    assert list(looks) == list(LABELS)
    assert looks["F3"].notes == ["flat: not connected?"]
    assert looks["Fz"].notes == ["far too loud: no contact?"]
    assert looks["F4"].notes == ["mains hum at 50 Hz"]
    assert (looks["T7"].notes, looks["T7"].share_good) == (["restless"], 0.75)
    assert looks["Cz"].notes == ["not used: bad before the start"]
    assert looks["P3"].notes == []
    assert 4.0 < looks["P3"].amplitude_uv < 8.0
    assert common_hum(list(looks.values())) == ""


def test_hum_that_all_have_is_told_once() -> None:
    trials = []
    for one in make_trials(3):
        hum = 30 * np.sin(2 * np.pi * 50 * one.t_raw)[:, None].astype(np.float32)
        trials.append(dataclasses.replace(one, raw_uv=one.raw_uv + hum))
    looks = look_at_channels(record_of(trials), trials)
    assert all(not one.notes for one in looks)
    assert "mains hum, at 50 Hz" in common_hum(looks)


def test_a_slow_stream_shows_no_mains() -> None:
    trials = make_trials(2)
    record = record_of(trials)
    record = msgspec.structs.replace(record, stream=msgspec.structs.replace(record.stream, rate_hz=64.0))
    looks = look_at_channels(record, trials)
    assert {one.line_db for one in looks} == {None}
    assert common_hum(looks) == ""
    assert look_at_channels(record, []) == []
