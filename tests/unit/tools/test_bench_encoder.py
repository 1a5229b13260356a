"""The benchmark of shipped engines."""

import pytest

from tools.bench_encoder import engine_times, main


@pytest.mark.clock
def test_a_larger_engine_takes_longer(capsys: pytest.CaptureFixture[str]) -> None:
    found = engine_times(["dare_nano", "dare_light"], 1)
    assert 0.0 < found["dare_nano"][0] < found["dare_light"][0]
    assert all(p50 <= p99 for p50, p99 in found.values())
    main(["--engines", "dare_nano", "--rounds", "1"])
    assert capsys.readouterr().out.startswith("dare_nano: new patch p50 ")
