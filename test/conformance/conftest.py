"""Every front end in front of every kind of socket, and the table that comes of it.

COWHERD_FRONT_ENDS: which ("nginx caddy"; "all"). COWHERD_CONFORMANCE: 1 for the cases that take long, too.
COWHERD_CONFORMANCE_TABLE: the file that gets the table.
"""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

import servers  # noqa: E402
import table  # noqa: E402
from sites import Site, make_herd  # noqa: E402

WANTED = os.environ.get("COWHERD_FRONT_ENDS", "nginx").split()
FRONT_ENDS = [cls for cls in servers.FRONT_ENDS if "all" in WANTED or cls.name in WANTED]

@pytest.fixture(scope="session")
def herds():
    made = {}
    yield made
    for herd in made.values():
        herd.finish()


def _id(parameter):
    return "%s-%s" % (parameter[0].name, parameter[1])


@pytest.fixture(scope="session", params=[(cls, kind) for cls in FRONT_ENDS for kind in ("unix", "tcp")], ids=_id)
def site(request, herds):
    front_end, transport = request.param
    if front_end.executable() is None:
        pytest.skip(front_end.name + " is not installed")
    if transport not in herds:
        herds[transport] = make_herd(transport)
    site = Site(herds[transport], transport, front_end)
    yield site
    site.front.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    site = getattr(item, "funcargs", {}).get("site")
    if report.failed and site:
        report.sections.append(("front end", site.front.errors()))
        report.sections.append(("cowherd", site.herd.report()))
        key = (item.callspec.params["case"].__name__, site.front.name)
        seen = table.SEEN.setdefault(key, {}).get(site.transport)
        table.SEEN[key][site.transport] = "**%s**" % (seen or "failed")


def pytest_terminal_summary(terminalreporter):
    if not table.SEEN:
        return
    text = table.markdown()
    terminalreporter.write_line("")
    terminalreporter.write_line(text)
    path = os.environ.get("COWHERD_CONFORMANCE_TABLE")
    if path:
        Path(path).write_text((HERE / "results.head.md").read_text() + "\n" + text + "\n")
