"""The report of a session in a browser, as a telephone shows it."""

from pathlib import Path

from rtbci.report.session import write_session_report
from tests.integration.browser import Chromium
from tests.unit.report.test_session_report import write_trials


def test_nothing_is_cut_off_on_a_telephone(tmp_path: Path, browser: Chromium) -> None:
    folder = write_trials(tmp_path / ("a_session_with_a_long_name_" * 4))
    report = write_session_report(folder, tmp_path / "report.html")
    with browser.tab(report.as_uri(), 390, 844) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
        tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        tables = "[...document.querySelectorAll('.table')]"
        assert tab.evaluate(f"{tables}.length") > 5
        cut = f"{tables}.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.innerText)"
        assert tab.evaluate(cut) == []
