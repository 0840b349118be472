"""What `memory` and `heap` tell of each worker, and the picture of a heap."""

import json
import os
import re
import signal
import xml.etree.ElementTree as ElementTree

import pytest

from herd import descriptors, plain_memory, process_alive

# Some MiB before the fork. /break?N writes into N preloaded objects, /grow?N keeps N strings of its own.
APP = """
DATA = {}
40000.times { |n| DATA[n] = ["record number #{n}", n, { "name" => "the name of record number #{n}" }] }
run ->(env) {
  n = env["QUERY_STRING"].to_i
  case env["PATH_INFO"]
  when "/break" then n.times { |i| DATA[i * (DATA.size / n)][1] = -i }
  when "/grow" then $grown = (0...n).map { |i| "grown #{i} " * 20 }
  when "/hold" then File.open("%s") { |f| f.read }
  end
  [200, {}, ["done"]]
}
"""

# A sanitizer's allocator tells nothing, and its shadow is memory, too.

PAGE = 4096
MIB = 1 << 20
PARTS = ("young", "stack", "libraries", "other")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def herd(module_cowherd):
    module_cowherd.configure(workers=1)
    module_cowherd.app(APP % module_cowherd.fifo())
    module_cowherd.configure("other", workers=2)
    module_cowherd.app("run ->(env) { [200, {}, []] }", pool="other")
    return module_cowherd.start()


def memory(herd, *pool):
    result = herd.command("memory", "--json", *pool)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["pools"]


def worker_memory(herd):
    """Of the only worker, once it has come to rest: two measurements in a row are the same."""

    def at_rest():
        first, second = (memory(herd, "web")[0]["workers"][0] for _ in range(2))
        return second if all(first[name] == second[name] for name in ("rss", "private", "broken")) else None

    return herd.wait_until(at_rest, what="the worker's memory stays as it is")


def heap(herd, *arguments, file=None):
    file = file or herd.directory / "heap.svg"
    result = herd.command("heap", "--svg", file, *arguments)
    assert result.returncode == 0 and result.stdout == result.stderr == "", result.stderr
    return ElementTree.parse(file).getroot()


def cells(svg):
    """For each area in its order: how many cells there are of each kind. Every cell is drawn once."""
    areas = []
    for group in svg.iter(SVG + "g"):
        if group.get("class") != "cells":
            continue
        seen, counts = set(), {"shared": 0, "broken": 0, "young": 0, "free": 0}
        for rect in group.iter(SVG + "rect"):
            x, y, width, height = (int(rect.get(name)) for name in ("x", "y", "width", "height"))
            covered = {(x + i, y + j) for i in range(width) for j in range(height)}
            assert not covered & seen and x + width <= 256
            seen |= covered
            counts[rect.get("class")] += len(covered)
        assert seen == {(i % 256, i // 256) for i in range(len(seen))}
        areas.append(counts)
    return areas


# -- memory


def assert_consistent(figures):
    parts = [figures[name] for name in PARTS]
    assert figures["rss"] == figures["shared"] + figures["private"]
    assert figures["private"] == figures["broken"] + sum(part["private"] for part in parts)
    assert figures["rss"] == figures["region"]["rss"] + sum(part["rss"] for part in parts)
    assert all(part["private"] <= part["rss"] for part in parts)
    assert figures["region"]["broken"] == figures["broken"]
    assert figures["page_tables"] > 0 and figures["swap"] >= 0
    assert figures["libraries"]["rss"] > figures["stack"]["rss"] > 0


def test_memory_tells_every_part_of_molds_and_workers(herd):
    web, other = memory(herd)
    assert [web["name"], other["name"]] == ["web", "other"]
    for pool in (web, other):
        status = herd.pool(pool["name"])
        (mold,) = pool["molds"]
        assert mold["pid"] == status["mold"]["pid"]
        assert [worker["pid"] for worker in pool["workers"]] == [worker["pid"] for worker in status["workers"]]
        region = status["region"]["bytes"]
        for figures in [mold] + pool["workers"]:
            assert_consistent(figures)
            assert figures["region"]["shared"] + figures["broken"] == region
            assert figures["sharing"] == pytest.approx(1 - figures["broken"] / region)
            assert figures["age_s"] < 20
        total, workers = pool["total"], pool["workers"]
        assert total["private"] == mold["private"] + sum(worker["private"] for worker in workers)
        assert total["page_tables"] == mold["page_tables"] + sum(worker["page_tables"] for worker in workers)
        broken = sum(worker["broken"] for worker in workers)
        assert total["sharing"] == pytest.approx(1 - broken / (region * len(workers)))
        assert total["region"] == region


@plain_memory
def test_what_an_app_does_shows_in_its_part(herd):
    herd.request("/grow?10")
    before = worker_memory(herd)
    assert herd.request("/break?400").status == 200
    broken = worker_memory(herd)
    assert broken["broken"] - before["broken"] >= 100 * PAGE
    assert broken["sharing"] < before["sharing"]
    assert broken["young"]["private"] - before["young"]["private"] < MIB
    assert herd.request("/grow?40000").status == 200

    def told(condition):
        """What the worker says of its own heap is of its last collection, which may still be to come."""
        figures = worker_memory(herd)
        return figures if condition(figures["young"]) else None

    grown = herd.wait_until(lambda: told(lambda young: young["live"] >= 40000 and young["allocator_used"] > 8 * MIB))
    assert grown["young"]["private"] - broken["young"]["private"] > 8 * MIB
    assert grown["broken"] - broken["broken"] < MIB
    young = grown["young"]
    assert young["slots"] >= young["live"] and young["allocator_free"] >= 0
    herd.request("/grow?10")
    less = young["allocator_used"] - 4 * MIB
    herd.wait_until(lambda: told(lambda young: young["live"] < 20000 and young["allocator_used"] < less))


@plain_memory
def test_the_status_has_the_allocators_figures(herd):
    herd.request("/grow?20000")

    def the_same():
        young, told = worker_memory(herd)["young"], herd.workers()[0]["gc"]
        near = abs(told["allocator_used"] - young["allocator_used"]) < MIB
        return told["allocator_used"] > 0 and told["slots"] == young["slots"] and near

    herd.wait_until(the_same, what=lambda: "%s, but %s" % (herd.workers(), worker_memory(herd)))


def test_memory_prints_a_table(herd):
    result = herd.command("memory", "web")
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.split("\n")
    assert lines[0] == "web: serving" and "other:" not in result.stdout
    names = lines[1].split()
    assert names[:5] == ["PID", "GEN", "PROCESS", "REGION", "BROKEN"] and {"PRIVATE", "SHARING", "SWAP"} <= set(names)
    mold, worker, total = lines[2:5]
    pool = herd.pool()
    assert mold.split()[:3] == [str(pool["mold"]["pid"]), "1", "mold"]
    assert worker.split()[:4] == [str(pool["workers"][0]["pid"]), "1", "worker", "0"]
    assert total.split()[0] == "total"
    assert len(mold.split()) == len(names) == len(worker.split()) - 1 == len(total.split()) + 2
    assert re.search(r"\d\.\d\dM?%", worker) and re.search(r"worker 0: \d+ of \d+ object slots", result.stdout)


@plain_memory
def test_an_unfrozen_pool_has_no_region(cowherd):
    cowherd.configure(workers=1, frozen=False)
    cowherd.app(APP % "")
    cowherd.start()
    figures = worker_memory(cowherd)
    assert figures["sharing"] is None and figures["broken"] == 0
    assert figures["region"] == {"shared": 0, "broken": 0, "rss": 0}
    assert figures["young"]["rss"] > 8 * MIB  # what was loaded, too
    assert_consistent(figures)
    assert re.search(r"worker 0 .* - ", cowherd.command("memory").stdout)
    svg = heap(cowherd)
    assert all(counts["broken"] == 0 for counts in cells(svg))
    assert "No region" in "".join(svg.itertext())


@plain_memory
@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_a_worker_of_another_user_tells_the_same(cowherd):
    cowherd.configure(workers=1, user="nobody")
    cowherd.app(APP % "")
    cowherd.start()
    cowherd.request("/break?100")
    figures = worker_memory(cowherd)
    assert_consistent(figures)
    assert figures["broken"] > 0
    assert cells(heap(cowherd))[0]["broken"] * PAGE == figures["broken"]


# -- the picture


@plain_memory
def test_the_picture_has_a_cell_for_every_page(herd):
    herd.request("/break?300")
    herd.request("/grow?20000")
    figures = worker_memory(herd)
    svg = heap(herd, "web")
    region, *young = cells(svg)
    status = herd.pool()
    assert worker_memory(herd)["broken"] == figures["broken"]
    assert sum(region.values()) * PAGE == status["region"]["bytes"]
    assert region["young"] == 0
    assert region["broken"] * PAGE == figures["broken"]
    assert all(counts["broken"] == 0 for counts in young)
    own = sum(counts["young"] for counts in young) * PAGE
    assert 4 * MIB < own < figures["young"]["rss"] + MIB
    text = "".join(svg.itertext())
    pid = status["workers"][0]["pid"]
    assert "worker 0 of pool web" in text and "pid %d, generation 1" % pid in text
    for kind in ("shared", "broken", "young", "free"):
        total = sum(counts[kind] for counts in [region] + young)
        assert "%s: %d page" % (kind, total) in text


@plain_memory
def test_broken_pages_grow_in_the_picture(herd):
    worker_memory(herd)
    before = cells(heap(herd, "web"))[0]
    herd.request("/break?700")
    worker_memory(herd)
    after = cells(heap(herd, "web"))[0]
    assert after["broken"] > before["broken"]
    assert after["shared"] < before["shared"]


@plain_memory
def test_drawing_breaks_no_page(herd):
    before = worker_memory(herd)
    for _ in range(5):
        heap(herd, "web")
    assert worker_memory(herd)["broken"] == before["broken"]


def test_another_worker_by_its_number(herd):
    pids = {worker["slot"]: worker["pid"] for worker in herd.workers("other")}
    for slot, pid in pids.items():
        text = "".join(heap(herd, "other", "--worker", slot).itertext())
        assert "worker %d of pool other" % slot in text and "pid %d," % pid in text


def test_the_file_is_replaced_whole_or_not_at_all(herd):
    folder = herd.directory / "pictures"
    folder.mkdir()
    file = herd.write("pictures/a.svg", "old")
    file.chmod(0o600)
    heap(herd, "web", file=file)
    assert file.read_text().endswith("</svg>\n")
    link = folder / "link.svg"
    link.symlink_to(file)
    file.write_text("old")
    heap(herd, "web", file=link)
    assert link.is_symlink() and file.read_text().endswith("</svg>\n")
    file.write_text("old")
    failing = [
        ([file, "nonsense"], "nonsense"),
        ([folder / "no/where.svg", "web"], "where.svg: No such file"),
        ([folder, "web"], "not a regular file"),
    ]
    for (target, *rest), said in failing:
        result = herd.command("heap", "--svg", target, *rest)
        assert result.returncode == 1 and said in result.stderr, result.stderr
    assert file.read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == ["a.svg", "link.svg"]


def test_the_picture_goes_to_standard_output(herd):
    result = herd.command("heap", "--svg", "-", "web")
    assert result.returncode == 0
    assert len(cells(ElementTree.fromstring(result.stdout.encode()))) > 1


# -- what goes wrong


def is_asked_for_a_map(herd):
    """The supervisor has made the file that the worker is to write."""
    return any("cowherd-heap-map" in link for link in descriptors(herd.process.pid).values())


@pytest.mark.parametrize(
    "arguments",
    [["heap"], ["heap", "web"], ["heap", "--svg"], ["heap", "--svg", "x", "--worker", "one"], ["memory", "a", "b"]],
    ids=" ".join,
)
def test_wrong_usage(herd, arguments):
    result = herd.command(*arguments, file=False)
    assert result.returncode == 2 and "usage:" in result.stderr and result.stdout == ""


def test_unknown_pools_and_workers_are_named(herd):
    file = herd.directory / "none.svg"
    for arguments, said in [
        (["memory", "wep"], 'there is no pool "wep"; the pools are: web other'),
        (["heap", "--svg", file, "wep"], 'there is no pool "wep"; the pools are: web other'),
        (["heap", "--svg", file], "name one of the pools: web other"),
        (["heap", "--svg", file, "web", "--worker", "7"], "pool web has no worker 7 that serves; there are: 0"),
    ]:
        result = herd.command(*arguments)
        assert result.returncode == 1 and said in result.stderr, result.stderr
    assert not file.exists()


def test_a_busy_worker_is_measured_and_can_not_be_drawn(cowherd):
    fifo = cowherd.fifo()
    cowherd.configure(workers=1)
    cowherd.app(APP % fifo)
    cowherd.start()
    with cowherd.connect() as connection:
        connection.start(uri="/hold")
        with fifo.wait_reader():
            figures = memory(cowherd)[0]["workers"][0]
            assert figures["state"] == "busy" and figures["rss"] > MIB
            result = cowherd.command("heap", "--svg", cowherd.directory / "x.svg")
            assert result.returncode == 1 and "busy" in result.stderr


def test_a_worker_that_dies_meanwhile_is_an_error_and_a_pool_without_workers_too(cowherd):
    cowherd.deaths_expected = True
    cowherd.configure(workers=1)
    cowherd.app(APP % "")
    cowherd.start()
    file = cowherd.directory / "x.svg"
    mold, worker = cowherd.pool()["mold"]["pid"], cowherd.workers()[0]["pid"]
    os.kill(mold, signal.SIGSTOP)
    try:
        os.kill(worker, signal.SIGSTOP)
        drawing = cowherd.spawn("heap", "--svg", file, "-c", cowherd.file)
        cowherd.wait_until(lambda: is_asked_for_a_map(cowherd))
        os.kill(worker, signal.SIGKILL)
        assert drawing.wait(20) == 1
        assert "worker 0 of pool web (pid %d) ended before it had answered" % worker in cowherd.stderr()
        cowherd.wait_until(lambda: not process_alive(worker))
        result = cowherd.command("heap", "--svg", file)
        assert result.returncode == 1 and "pool web has no worker that serves" in result.stderr
        pool = memory(cowherd)[0]
        assert [each["rss"] for each in pool["workers"]] in ([], [0])
        assert pool["total"]["sharing"] is None and pool["molds"][0]["rss"] > 0
        assert "total" in cowherd.command("memory").stdout
    finally:
        os.kill(mold, signal.SIGCONT)
    cowherd.wait_ready()
    assert not file.exists()
    assert heap(cowherd) is not None
