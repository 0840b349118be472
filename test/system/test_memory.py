"""The figures of the status are those of the kernel."""

import os
from pathlib import Path

import pytest

APP = """
DATA = (0...20000).map { |n| "preloaded string number #{n} " * 3 }
run ->(env) {
  $grown = (0...env["QUERY_STRING"].to_i).map { |n| "grown #{n} " * 10 } if env["PATH_INFO"] == "/grow"
  [200, {}, ["#{DATA.size} #{$grown ? $grown.size : 0}"]]
}
"""

MIB = 1 << 20
TOLERANCE = 256 * 1024


def smaps_rollup(pid):
    figures = {}
    for line in Path("/proc/%d/smaps_rollup" % pid).read_text().split("\n")[1:]:
        name, _, value = line.partition(":")
        if value:
            figures[name] = int(value.split()[0]) * 1024
    return figures


def private_by_mapping(pid):
    """Anonymous of the frozen region (a private mapping of a memfd), Private_* of everything else."""
    total, region = 0, False
    for line in Path("/proc/%d/smaps" % pid).read_text().split("\n"):
        name, _, value = line.partition(":")
        if "-" in name.split(" ")[0] and " " in name:
            fields = line.split(None, 5)
            region = fields[1][3] == "p" and len(fields) > 5 and fields[5].startswith("/memfd:")
        elif name == "Anonymous" and region:
            total += int(value.split()[0]) * 1024
        elif name in ("Private_Clean", "Private_Dirty") and not region:
            total += int(value.split()[0]) * 1024
    return total


def page_tables(pid):
    for line in Path("/proc/%d/status" % pid).read_text().split("\n"):
        if line.startswith("VmPTE:"):
            return int(line.split()[1]) * 1024
    return 0


def near(a, b, tolerance=TOLERANCE):
    return abs(a - b) <= max(tolerance, 0.05 * b)


def agrees(pid, memory):
    kernel = smaps_rollup(pid)
    return (
        memory is not None
        and near(memory["rss"], kernel["Rss"])
        and memory["shared"] + memory["private"] == memory["rss"]
        and near(memory["private"], private_by_mapping(pid))
        and memory["broken"] <= memory["private"]
        and near(memory["page_tables"], page_tables(pid), 64 * 1024)
        and near(memory["swap"], kernel.get("Swap", 0))
    )


def disagreement(pid, memory):
    kernel = (smaps_rollup(pid), private_by_mapping(pid), page_tables(pid))
    return "%s, but the kernel says %s, private %d, page tables %d" % (memory, *kernel)


def assert_figures_agree(herd):
    pool = herd.pool()
    for who in [("mold", pool["mold"]["pid"])] + [("worker", worker["pid"]) for worker in pool["workers"]]:
        kind, pid = who

        def memory():
            now = herd.pool()
            subjects = [now["mold"]] if kind == "mold" else [w for w in now["workers"] if w["pid"] == pid]
            return subjects[0]["memory"]

        herd.wait_until(lambda: agrees(pid, memory()), what=lambda: kind + ": " + disagreement(pid, memory()))


def test_the_figures_agree_with_the_kernels(cowherd):
    cowherd.app(APP)
    cowherd.start()
    assert_figures_agree(cowherd)
    assert all(worker["memory"]["rss"] > MIB for worker in cowherd.workers())


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_the_figures_agree_after_the_workers_have_changed_user(cowherd):
    cowherd.configure(user="nobody")
    cowherd.app(APP)
    cowherd.start()
    nobody = {w["pid"]: Path("/proc/%d" % w["pid"]).stat().st_uid for w in cowherd.workers()}
    mold = cowherd.pool()["mold"]["pid"]
    for pid in [mold, *nobody]:
        lines = Path("/proc/%d/status" % pid).read_text().split("\n")
        ids = {name: values.split() for name, _, values in (line.partition(":") for line in lines)}
        assert set(ids["Uid"]) == {"65534"}
        assert "0" not in ids["Gid"] + ids["Groups"]
    assert_figures_agree(cowherd)


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_code_of_an_app_never_runs_as_root_when_there_is_a_user(cowherd):
    secret = cowherd.write("secret", "x")
    secret.chmod(0o600)
    read = 'begin; File.open("%s") { |f| f.read }; "readable"; rescue => e; "denied"; end' % secret
    lib = cowherd.write("lib.rb", "IN_PRELOAD = %s\n" % read)
    cowherd.configure(user="nobody", preload=[lib])
    cowherd.app("AT_LOAD = %s\nrun ->(env) { [200, {}, [[IN_PRELOAD, AT_LOAD, %s].join(' ')]] }" % (read, read))
    cowherd.start()
    assert cowherd.request().text == "denied denied denied"


def test_growth_shows_as_private_memory_of_that_worker(cowherd):
    cowherd.configure(workers=1)
    cowherd.app(APP)
    cowherd.start()
    assert_figures_agree(cowherd)
    before = cowherd.workers()[0]["memory"]["private"]
    assert cowherd.request("/grow?100000").text == "20000 100000"
    cowherd.wait_until(lambda: cowherd.workers()[0]["memory"]["private"] > before + 8 * MIB)
    assert_figures_agree(cowherd)


def test_the_status_has_the_promised_schema(cowherd):
    cowherd.app(APP)
    cowherd.start()
    cowherd.request()
    status = cowherd.status()
    assert {"version", "supervisor", "pools"} <= set(status)
    assert isinstance(status["version"], str) and status["version"]
    assert set(status["supervisor"]) >= {"pid", "uptime_s"}
    (pool,) = status["pools"]
    assert {"name", "generation", "state", "listen", "ledger", "mold", "workers", "generations"} <= set(pool)
    assert set(pool["ledger"]) >= {"accepted", "completed", "error_answered", "client_gone", "lost"}
    assert pool["listen"][0]["address"] == str(cowherd.address())
    assert set(pool["mold"]) >= {"pid", "memory"}
    for worker in pool["workers"]:
        assert set(worker) >= {"pid", "slot", "generation", "state", "app", "requests", "memory", "gc"}
        assert worker["uptime_s"] >= worker["ready_s"] > 0
        assert isinstance(worker["requests"], int)
    for generation in pool["generations"]:
        assert set(generation) >= {"number", "state", "error"}
