"""The young heap's malloc: which one it is, and that it gives memory back."""

import os
import re
import subprocess
from pathlib import Path

import pytest

import herd as herd_module
from test_memory import near, private_by_mapping

MIB = 1 << 20
LIBRARIES = {"jemalloc": ("libjemalloc.so.2",), "mimalloc": ("libmimalloc.so.3", "libmimalloc.so.2")}

# Blocks of many sizes, below the size that is mapped by itself: what is free lies between what lives.
APP = """
run ->(env) {
  case env["PATH_INFO"]
  when "/burst"
    $kept ||= []
    burst = (0...25000).map { |n| "x" * (100 + n * 7919 % 3000) }
    $kept = burst.each_slice(500).map(&:first)
    [200, {}, [burst.size.to_s]]
  when "/sizes"
    $kept = nil
    sizes = (1..65).map { |n| (0...40).map { "x" * (16 * n - 1) } }
    [200, {}, [sizes.flatten.sum(&:size).to_s]]
  when "/environment"
    [200, {}, [IO.popen("env") { |output| output.read }]]
  else
    [200, {}, ["fine"]]
  end
}
"""

pytestmark = herd_module.plain_memory


def find(allocator):
    """The library's path, by the dynamic linker's own account of its cache."""
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for soname in LIBRARIES[allocator]:
        found = re.search(r"^\s+%s \(.*=> (.*)$" % re.escape(soname), known, re.MULTILINE)
        if found:
            return Path(found.group(1)).resolve()
    return None


def needs(allocator):
    if allocator != "glibc" and find(allocator) is None:
        pytest.skip("there is no %s here" % allocator)


def highest_rss(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/%d/status" % pid).read_text()).group(1)) * 1024


def variables(cowherd):
    return dict(line.split("=", 1) for line in cowherd.request("/environment").text.splitlines() if "=" in line)


@pytest.mark.parametrize("allocator", ["glibc", "jemalloc", "mimalloc"])
def test_what_a_request_leaves_behind_goes_back_to_the_system(cowherd, allocator):
    needs(allocator)
    cowherd.configure(workers=1, allocator=allocator)
    cowherd.app(APP)
    cowherd.start()
    assert cowherd.request().text == "fine"
    cowherd.wait_until(lambda: cowherd.workers()[0]["gc"]["allocator_used"])
    (pid,) = cowherd.worker_pids()
    before, rss = private_by_mapping(pid), highest_rss(pid)

    assert cowherd.request("/burst").text == "25000"
    assert highest_rss(pid) > rss + 30 * MIB

    # The kernel's figure first: that of the status may be from before the burst.
    cowherd.wait_until(
        lambda: private_by_mapping(pid) < before + 10 * MIB,
        what=lambda: "given back: before %d, now %d" % (before, private_by_mapping(pid)),
    )
    cowherd.wait_until(lambda: near(cowherd.workers()[0]["memory"]["private"], private_by_mapping(pid)))

    def little_is_used():
        told = cowherd.workers()[0]["gc"]
        return 0 < told["allocator_used"] < 8 * MIB and told["allocator_free"] > 0

    cowherd.wait_until(little_is_used, what=lambda: cowherd.workers())
    assert cowherd.worker_pids() == {pid}


def test_what_malloc_caches_of_every_size_is_little(cowherd):
    """However long it takes until an app has used them all: what is cached can't be given back."""
    cowherd.configure(workers=1)
    cowherd.app(APP)
    cowherd.start()

    def used():
        """As published after a collection: it follows its count, but precedes the next request."""
        for _ in range(2):
            collections = cowherd.workers()[0]["gc"]["count"]
            assert cowherd.request().text == "fine"
            cowherd.wait_until(lambda: cowherd.workers()[0]["gc"]["count"] > collections)
        return cowherd.workers()[0]["gc"]["allocator_used"]

    before = used()
    for _ in range(2):
        assert cowherd.request("/sizes").text == str(sum(40 * (16 * n - 1) for n in range(1, 66)))
    after = used()
    assert before > 0 and after < before + 64 * 1024


@pytest.mark.parametrize("allocator", ["jemalloc", "mimalloc"])
def test_an_allocator_is_preloaded_into_the_workers_and_into_nothing_that_they_start(cowherd, allocator):
    needs(allocator)
    cowherd.configure(workers=1, allocator=allocator, env={"MALLOC_CONF": "narenas:2", "TZ": "UTC"})
    cowherd.app(APP)
    cowherd.start()
    pool = cowherd.pool()
    for pid in (pool["mold"]["pid"], pool["workers"][0]["pid"]):
        assert str(find(allocator)) in Path("/proc/%d/maps" % pid).read_text()
    found = variables(cowherd)
    assert found["MALLOC_CONF"] == "narenas:2" and found["TZ"] == "UTC"
    assert "LD_PRELOAD" not in found
    assert not [name for name in found if name.startswith(("COWHERD_", "MIMALLOC_", "GLIBC_")) and name not in os.environ]


def test_settings_of_env_reach_the_allocator_itself(cowherd):
    needs("jemalloc")
    cowherd.configure(workers=1, allocator="jemalloc", env={"MALLOC_CONF": "no_such_setting:1"})
    cowherd.app(APP)
    cowherd.start()
    cowherd.wait_until(lambda: "Invalid conf pair: no_such_setting:1" in cowherd.log())


def test_programs_of_an_app_find_the_environment_of_cowherd(cowherd, monkeypatch):
    monkeypatch.setitem(herd_module.ENVIRONMENT, "MALLOC_CONF", "narenas:7")
    monkeypatch.delitem(herd_module.ENVIRONMENT, "GLIBC_TUNABLES", raising=False)
    cowherd.configure(allocator="jemalloc" if find("jemalloc") else "glibc")
    cowherd.app(APP)
    cowherd.start()
    found = variables(cowherd)
    assert found["MALLOC_CONF"] == "narenas:7"
    assert not {"LD_PRELOAD", "GLIBC_TUNABLES"} & set(found)


def test_a_library_that_is_another_is_noticed_and_the_old_generation_goes_on(cowherd, monkeypatch):
    source = cowherd.write("empty.c", "int cowherd_nothing;\n")
    library = cowherd.write("libraries/libmimalloc.so.3", "")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    monkeypatch.setitem(herd_module.ENVIRONMENT, "LD_LIBRARY_PATH", str(library.parent))
    cowherd.app(APP)
    cowherd.start()
    pids = cowherd.worker_pids()
    cowherd.configure(allocator="mimalloc")
    cowherd.write_configuration()
    said = "allocator: malloc is not mimalloc's, but glibc's"
    check = cowherd.command("check")
    assert check.returncode == 1 and said in check.stderr
    reload = cowherd.reload()
    assert reload.returncode == 1 and said in reload.stdout + reload.stderr
    assert cowherd.request().text == "fine" and cowherd.worker_pids() == pids


def hidden(*libraries):
    """The beginning of a command that doesn't find these files, in a mount namespace of its own; None: not allowed."""
    hide = " && ".join("mount --bind /dev/null %s" % path for path in libraries)
    line = ["unshare", "--mount", "sh", "-c", hide + ' && exec "$@"', "sh"]
    try:
        return line if subprocess.run([*line, "true"], capture_output=True, check=False).returncode == 0 else None
    except OSError:
        return None


@pytest.mark.skipif(os.geteuid() != 0, reason="hiding a library needs root")
def test_a_missing_library_is_said_with_its_place_and_its_package(cowherd):
    needs("jemalloc")
    unseeing = hidden(find("jemalloc"))
    if unseeing is None:
        pytest.skip("no mount namespaces here")
    cowherd.app(APP)
    cowherd.write_configuration()
    cowherd.process = subprocess.Popen(
        [*unseeing, herd_module.BUILD / "cowherd", "run", "-c", cowherd.file],
        stdin=subprocess.DEVNULL,
        cwd=cowherd.directory,
        env=herd_module.ENVIRONMENT,
        start_new_session=True,
    )
    cowherd.sessions.append(cowherd.process)
    cowherd.wait_ready()
    pids = cowherd.worker_pids()
    cowherd.configure(allocator="jemalloc")
    cowherd.write_configuration()
    number = 1 + cowherd.file.read_text().split("allocator:")[0].count("\n")
    said = "%s:%d:16: pools.web.allocator: there is no jemalloc on this machine" % (cowherd.file, number)

    check = subprocess.run(
        [*unseeing, herd_module.BUILD / "cowherd", "check", "-c", cowherd.file], capture_output=True, text=True, check=False
    )
    assert check.returncode == 2
    assert said in check.stderr and "libjemalloc2" in check.stderr
    reload = cowherd.reload()
    assert reload.returncode == 1
    assert said in reload.stdout + reload.stderr
    assert "goes on serving" in reload.stdout + reload.stderr
    assert cowherd.request().text == "fine" and cowherd.worker_pids() == pids
