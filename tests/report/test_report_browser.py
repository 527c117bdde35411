"""The page in a real browser: it sorts, it says nothing on the console, it fits a phone."""

import re
import shutil
import subprocess

import pytest

from multimodal_ser import report
from tests.report.test_report import BAD, Page, write_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
    "--dump-dom",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]


def seen(page, profile, *, script="", width=1280):
    """The document after its scripts, and what the browser wrote on its console."""
    copy = page.with_name("copy.html")
    source = page.read_text("utf-8").replace("</body>", f"<script>{script}</script></body>")
    copy.write_text(source, "utf-8")
    options = [f"--user-data-dir={profile}", f"--window-size={width},900", copy.as_uri()]
    done = subprocess.run(
        [CHROMIUM, *OPTIONS, *options], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture
def page(tmp_path):
    return report.write(write_run(tmp_path / "run", classes=BAD))


def test_nothing_is_said_on_the_console_and_no_name_is_run(page, tmp_path):
    source, console = seen(page, tmp_path / "profile")
    assert console == []
    assert Page(page.read_text("utf-8")).tags.count("script") == 1
    assert "alert(1)" in source


def confidences(source):
    """The last column of the errors, as it stands."""
    table = re.search(r'<section id="errors".*?</section>', source, re.DOTALL)[0]
    return [float(value) for value in re.findall(r'data-sort="([\d.]+)"', table)]


def test_a_click_on_a_header_sorts_and_another_turns_it_round(page, tmp_path):
    click = "[...document.querySelectorAll('#errors th button')].at(-1).click();"
    plain = confidences(seen(page, tmp_path / "profile")[0])
    up, console = seen(page, tmp_path / "profile", script=click)
    down, _ = seen(page, tmp_path / "profile", script=click * 2)
    assert console == []
    assert len(plain) > 3
    assert confidences(up) == sorted(plain)
    assert confidences(down) == sorted(plain, reverse=True)
    assert 'aria-sort="ascending"' in up
    assert 'aria-sort="descending"' in down


@pytest.mark.parametrize("width", [500, 1280])
def test_the_page_never_scrolls_sideways(page, tmp_path, width):
    script = (
        "document.querySelectorAll('details').forEach((one) => { one.open = true; });"
        "document.title = document.documentElement.scrollWidth + ' of ' + window.innerWidth;"
    )
    source, _ = seen(page, tmp_path / "profile", script=script, width=width)
    shown, inner = map(int, re.search(r"<title>(\d+) of (\d+)</title>", source).groups())
    assert shown <= inner
