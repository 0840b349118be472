"""Values that workers share (store:), with the real programs."""

import os
import signal
import threading

import pytest

from herd import PATIENCE, descriptors, plain_memory, plain_program, process_alive, wait_until

# The path is a method of the store, the query its arguments with & between them; what it returns is the answer.
STORE_APP = """
run ->(env) do
  store = Cowherd.store
  words = env["QUERY_STRING"].split("&").map { |word| word.to_i.to_s == word ? word.to_i : word }
  options = {}
  words.reject! { |word| word.is_a?(String) && word.start_with?("expires_in=") && options[:expires_in] = word[11..-1].to_f }
  words.map! { |word| word.is_a?(String) && word.start_with?("long=") ? "x" * word[5..-1].to_i : word }
  result = case env["PATH_INFO"]
           when "/pid" then File.open("/proc/self/stat") { |file| file.gets.to_i }
           when "/many" then words[1].times { store.increment(words[0]) } && store[words[0]]
           when "/fill" then words[0].times { |i| store["key#{i}"] = "x" * words[1] } && store.size
           when "/stat" then store.stat["size"]
           else options.empty? ? store.send(env["PATH_INFO"][1..-1], *words) : store.send(env["PATH_INFO"][1..-1], *words, **options)
           end
  [200, {"content-type" => "text/plain"}, [result.inspect]]
end
"""


def ask(herd, uri, host="localhost", pool="web"):
    response = herd.request(uri, pool=pool, host=host)
    assert response.status == 200, (uri, response.status, response.body, herd.log()[-2000:])
    return response.body.decode()


def store_app(herd, host="*", pool="web", **store):
    herd.app(STORE_APP, host=host, pool=pool, store=store or {"size": "1MiB"})
    return herd


def test_all_workers_see_the_same(cowherd):
    store_app(cowherd).configure(workers=2, recycle={"requests": 1}).start(ready=False)  # there is one more from the beginning
    cowherd.wait_until(lambda: cowherd.try_status() and cowherd.pool()["state"] == "serving")
    assert ask(cowherd, "/set?a&1") == "1"
    assert len({ask(cowherd, "/pid") for _ in range(3)}) == 3  # each request has a worker of its own
    assert ask(cowherd, "/get?a") == "1"
    assert ask(cowherd, "/size") == "1"


def test_exact_sums_of_four_workers(cowherd):
    """20,000 increments; `make bench-store` has the 100,000."""
    store_app(cowherd).configure(workers=4).start()
    threads = [threading.Thread(target=ask, args=(cowherd, "/many?n&500")) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * PATIENCE)
    assert ask(cowherd, "/get?n") == "20000"


@plain_program("new workers don't come as fast as these are killed")
def test_writers_that_are_killed(cowherd):
    """8 workers write and are killed: what was acknowledged is there, what wasn't may be, and nothing hangs."""
    cowherd.deaths_expected = True
    store_app(cowherd).configure(workers=8).start()
    acknowledged, unknown, stop = [0] * 8, [0] * 8, threading.Event()

    def write(number):
        while not stop.is_set():
            try:
                ask(cowherd, "/increment?sum")
                acknowledged[number] += 1
            except (OSError, AssertionError, EOFError):
                unknown[number] += 1
            except Exception:  # the connection of a worker that was killed
                unknown[number] += 1

    threads = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        before = sum(acknowledged)
        cowherd.wait_until(lambda: sum(acknowledged) > before + 20, what="writers go on")
        forked = [worker for worker in cowherd.workers() if worker["pid"]]
        busy = sorted(forked, key=lambda worker: worker["state"] != "busy")
        for worker in busy[:2]:
            try:
                os.kill(worker["pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    cowherd.wait_ready()
    total = int(ask(cowherd, "/get?sum"))
    assert sum(acknowledged) <= total <= sum(acknowledged) + sum(unknown)


def test_reloads_keep_it(cowherd):
    store_app(cowherd, size="1MiB").start()
    ask(cowherd, "/set?a&1")
    assert cowherd.reload().returncode == 0
    assert ask(cowherd, "/get?a") == "1"
    cowherd.pools["web"]["apps"][0]["store"] = {"size": "2MiB"}
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0
    cowherd.wait_generation(3)
    assert (ask(cowherd, "/get?a"), ask(cowherd, "/stat")) == ("1", "2097152")
    ask(cowherd, "/fill?40&40000")
    cowherd.pools["web"]["apps"][0]["store"] = {"size": "64KiB"}
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0
    cowherd.wait_generation(4)
    assert ask(cowherd, "/stat") == "65536"
    assert ask(cowherd, "/set?b&2") == "2"
    assert ask(cowherd, "/keys") == '["b", "key39"]'  # the others were too many for it


def test_generations_that_fail_leave_it(cowherd):
    source = cowherd.app(STORE_APP, store={"size": "1MiB"})
    cowherd.start()
    ask(cowherd, "/set?a&1")
    source.write_text("raise 'no'")
    assert cowherd.reload().returncode == 1
    assert ask(cowherd, "/get?a") == "1"


def test_upgrades_keep_it(cowherd):
    store_app(cowherd).start()
    ask(cowherd, "/set?a&1")
    result = cowherd.command("upgrade")
    assert result.returncode == 0, result.stderr
    assert ask(cowherd, "/get?a") == "1"
    assert cowherd.reload().returncode == 0
    assert ask(cowherd, "/get?a") == "1"


def test_a_pool_without_workers_keeps_it(cowherd):
    cowherd.deaths_expected = True
    store_app(cowherd).configure(workers=1).start()
    ask(cowherd, "/set?a&1")
    pool = cowherd.pool()
    os.kill(pool["mold"]["pid"], signal.SIGKILL)
    os.kill(pool["workers"][0]["pid"], signal.SIGKILL)
    cowherd.wait_ready(pool["generation"] + 1)
    assert ask(cowherd, "/get?a") == "1"


def test_a_store_that_is_no_longer_named_is_given_back(cowherd):
    def memory():
        return sum("cowherd-store" in link for link in descriptors(cowherd.process.pid).values())

    store_app(cowherd).start()
    ask(cowherd, "/set?a&1")
    assert memory() == 2
    del cowherd.pools["web"]["apps"][0]["store"]
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0
    cowherd.wait_until(lambda: memory() == 0, what="the memory is given back")
    assert cowherd.request("/get?a").status == 500
    cowherd.wait_log("there is no store here")


def test_in_memory_it_ends_with_cowherd(cowherd):
    before = set(os.listdir("/dev/shm"))
    store_app(cowherd).start()
    ask(cowherd, "/set?a&1")
    workers = cowherd.worker_pids()
    cowherd.signal(signal.SIGKILL)
    cowherd.process.wait(PATIENCE)
    wait_until(lambda: not any(map(process_alive, workers)), what="the workers leave")
    assert set(os.listdir("/dev/shm")) <= before
    cowherd.start()
    assert ask(cowherd, "/get?a") == "nil"


def test_a_file_outlives_it(cowherd):
    store_app(cowherd, size="1MiB", file="values").start()
    ask(cowherd, "/set?a&1")
    ask(cowherd, "/set?b&2&expires_in=3600")
    assert cowherd.stop() == 0
    cowherd.start()
    assert (ask(cowherd, "/get?a"), ask(cowherd, "/get?b")) == ("1", "2")
    ask(cowherd, "/set?a&3")
    workers = cowherd.worker_pids()
    cowherd.signal(signal.SIGKILL)
    cowherd.process.wait(PATIENCE)
    wait_until(lambda: not any(map(process_alive, workers)), what="the workers leave")
    cowherd.start()
    assert ask(cowherd, "/get?a") == "3"
    assert (cowherd.directory / "apps/web0/values").stat().st_mode & 0o777 == 0o600


def test_a_file_that_can_not_be_opened(cowherd):
    store_app(cowherd, size="1MiB", file="no/where").start(ready=False)
    assert cowherd.process.wait(PATIENCE) == 1
    cowherd.wait_log("store: ", "no/where: can't be opened: No such file or directory")


def test_apps_have_their_own(cowherd):
    store_app(cowherd, "one.example")
    store_app(cowherd, "two.example")
    store_app(cowherd, "shared1.example", size="1MiB", name="common")
    store_app(cowherd, "shared2.example", size="1MiB", name="common")
    store_app(cowherd, "file1.example", size="1MiB", file=cowherd.directory / "values")
    store_app(cowherd, "file2.example", size="1MiB", file=cowherd.directory / "values")
    cowherd.app(STORE_APP, host="none.example")
    store_app(cowherd, "*", pool="other").start()
    hosts = ["one", "two", "shared1", "file1"]
    for host in hosts:
        assert ask(cowherd, "/get?a", host + ".example") == "nil"
        assert ask(cowherd, "/add?a&%s" % host, host + ".example") == "true"
    for host in hosts:
        assert ask(cowherd, "/get?a", host + ".example") == '"%s"' % host
    assert ask(cowherd, "/get?a", "shared2.example") == '"shared1"'
    assert ask(cowherd, "/get?a", "file2.example") == '"file1"'
    assert ask(cowherd, "/get?a", pool="other") == "nil"
    assert cowherd.request("/get?a", host="none.example").status == 500


def test_apps_of_one_interpreter_have_their_own(cowherd):
    for host in ("one.example", "two.example"):
        cowherd.app(STORE_APP, host=host, interpreter="shared", store={"size": "1MiB"})
    cowherd.app(STORE_APP, host="none.example", interpreter="shared")
    cowherd.configure(workers=1).start()
    for _ in range(2):
        assert ask(cowherd, "/increment?a", "one.example") == ask(cowherd, "/increment?a", "two.example")
        assert cowherd.request("/get?a", host="none.example").status == 500
    assert ask(cowherd, "/get?a", "one.example") == "2"


def test_the_oldest_go(cowherd):
    store_app(cowherd, size="256KiB").start()
    assert 50 < int(ask(cowherd, "/fill?1000&1000")) < 250
    assert ask(cowherd, "/include%3F?key0") == "false"
    assert ask(cowherd, "/include%3F?key999") == "true"
    response = cowherd.request("/set?large&long=300000")
    assert response.status == 500
    cowherd.wait_log("larger than the whole store (SharedStore::FullError)")


def test_what_has_expired_is_absent(cowherd):
    store_app(cowherd).start()
    ask(cowherd, "/set?long&1&expires_in=3600")
    ask(cowherd, "/set?short&1&expires_in=0.05")
    wait_until(lambda: ask(cowherd, "/get?short") == "nil", what="it expires")
    assert ask(cowherd, "/get?long") == "1"
    assert ask(cowherd, "/size") == "1"


def test_used_while_the_app_loads(cowherd):
    source = "KEPT = Cowherd.store\nKEPT.add('loads', 0)\nKEPT.increment('loads')\n" + STORE_APP.replace(
        "store = Cowherd.store", "store = KEPT"
    )
    cowherd.app(source, store={"size": "1MiB"})
    cowherd.start()
    assert ask(cowherd, "/get?loads") == "1"
    assert cowherd.reload().returncode == 0
    assert ask(cowherd, "/get?loads") == "2"
    assert not cowherd.log_lines("holds descriptor")


@plain_memory
def test_it_is_not_private_memory(cowherd):
    store_app(cowherd, size="64MiB").configure(workers=1).start()
    for number in range(30):
        ask(cowherd, "/set?key%d&long=1000000" % number)
        assert ask(cowherd, "/get?key%d" % number)[:2] == '"x'

    def measured():
        assert cowherd.command("memory").returncode == 0
        memory = cowherd.workers()[0]["memory"]
        return memory["rss"] > 30 << 20 and memory["private"] < 8 << 20

    cowherd.wait_until(measured, what=lambda: "much shared memory, little of its own: %s" % cowherd.workers())


@plain_program("a process can't open its log in the chroot, and ends")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change user and root directory")
@pytest.mark.parametrize("settings", [{}, {"file": "values"}])
def test_another_user_in_a_chroot(cowherd, settings):
    store_app(cowherd, size="1MiB", **settings).configure(user="nobody", chroot=cowherd.directory)
    os.chmod(cowherd.directory / "apps/web0", 0o777)
    cowherd.start()
    assert ask(cowherd, "/increment?a") == "1"
    assert cowherd.reload().returncode == 0
    assert ask(cowherd, "/increment?a") == "2"
