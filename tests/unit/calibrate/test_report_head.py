from rtbci.calibrate.report_head import band_maps, time_frequency_svgs
from rtbci.calibrate.report_signals import cut_epochs
from tests.report_samples import CLASSES, make_trials, record_of


def test_maps_of_both_classes_and_their_difference() -> None:
    trials = make_trials(8)
    epochs = cut_epochs(record_of(trials), trials, 2.0)
    assert epochs is not None
    found = band_maps(epochs, list(CLASSES))
    assert {band: len(drawings) for band, drawings in found.items()} == {"mu": 3, "beta": 3}
    assert "<image" in found["mu"][0]
    assert "right_hand against left_hand" in found["mu"][2]
    drawings = time_frequency_svgs(epochs, list(CLASSES))
    assert len(drawings) == 4
    assert "left_hand, at C3" in drawings[0]
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []  # a window that the caller has open is not drawn on


def test_bars_where_a_map_would_be_made_up() -> None:
    labels = ("C3", "Cz", "P4")
    trials = make_trials(4, labels, n_classes=1)
    epochs = cut_epochs(record_of(trials, labels), trials, 2.0)
    assert epochs is not None
    found = band_maps(epochs, list(CLASSES))
    assert len(found["mu"]) == 1
    assert "<image" not in found["mu"][0]
    assert ">CZ</text>" in found["mu"][0]
    assert len(time_frequency_svgs(epochs, list(CLASSES))) == 1
