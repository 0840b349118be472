"""What is frozen stays shared: with many interpreters in a pool, and whatever becomes of single workers."""

import os
import random
import signal
from pathlib import Path

import pytest

from herd import SANITIZED, Load, process_alive, wait_until

INTERPRETERS = 50 if SANITIZED else 200  # sanitizers multiply the time in which they load

OWN_STATE = """
NUMBER = %d
TABLE = (0...50).map { |i| ["entry #{i}", NUMBER * i] }.to_h
$calls = 0
run ->(env) { $calls += 1; [200, {}, ["#{NUMBER} #{TABLE["entry 7"]} #{$calls}"]] }
"""


def region(pid):
    """(size, bytes that the process has copied) of the frozen region: a private mapping of a memfd."""
    size = copied = 0
    inside = False
    for line in Path("/proc/%d/smaps" % pid).read_text().split("\n"):
        name, _, value = line.partition(":")
        if "-" in name.split(" ")[0] and " " in name:
            fields = line.split(None, 5)
            inside = fields[1][3] == "p" and len(fields) > 5 and fields[5].startswith("/memfd:cowherd-region")
        elif inside and name == "Size":
            size += int(value.split()[0]) * 1024
        elif inside and name == "Anonymous":
            copied += int(value.split()[0]) * 1024
    return size, copied


def test_many_interpreters_in_one_pool(cowherd):
    cowherd.configure(workers=1)
    cowherd.configure("single", workers=1)
    for number in range(INTERPRETERS):
        cowherd.app(OWN_STATE % number, host="app%d.test" % number)
    cowherd.app(OWN_STATE % 0, pool="single")
    cowherd.start()

    def serve(numbers, call):
        for number in numbers:
            answer = cowherd.request(host="app%d.test" % number).text
            assert answer == "%d %d %d" % (number, 7 * number, call)

    [worker], [single] = cowherd.worker_pids(), cowherd.worker_pids("single")
    size, untouched = region(worker)
    assert size <= 1.2 * INTERPRETERS * region(single)[0]
    for call in range(1, 4):
        serve([0], call)
    one = region(worker)[1]
    serve(range(1, INTERPRETERS), 1)
    everything = region(worker)[1]
    # A worker pays for the interpreters that it uses: for one of them, far less than for all.
    assert 10 * (one - untouched) < everything
    # Nor are all of them copied when all are used, and using them again costs next to nothing.
    assert everything < size / 2
    for call in range(2, 5):
        serve(range(1, INTERPRETERS), call)
    assert region(worker)[1] < 1.1 * everything
    assert cowherd.worker_pids() == {worker}


THREADS = 6
RECORDS = 4000
RECORD = "preloaded record number %d, of some length and with some more text, "

PRELOADED = """
RECORDS = (0...%d).map { |i| { "text" => "%s" * 2, "number" => i } }
$seen = []
run ->(env) {
  record = RECORDS[env["QUERY_STRING"].to_i]
  $seen << record["number"] if $seen.size < 50
  [200, { "x-pid" => File.open("/proc/self/stat") { |f| f.gets.to_i.to_s } }, [record["text"] * 4, record["number"].to_s]]
}
""" % (RECORDS, RECORD.replace("%d", "#{i}"))


def record(number):
    return (RECORD % number * 8 + str(number)).encode()


class Reader(Load):
    """Each thread reads records at random; what is not the record byte by byte is a failure, a closed connection not."""

    def __init__(self, *arguments, **about):
        super().__init__(*arguments, **about)
        self.closed = []

    def wait_answers(self, count):
        target = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= target or self.failures, what=lambda: "answers: %s" % self.failures)

    def _one(self, client):
        number = random.randrange(RECORDS)
        try:
            with self.herd.connect() as connection:
                response = connection.request(uri="/?%d" % number)
        except ConnectionError as error:
            self.closed.append(error)
            return self._one(client)
        if response.status == 200 and response.body != record(number):
            raise AssertionError("record %d is %r" % (number, response.body[:200]))
        return response


def kill(cowherd, reader, victim):
    os.kill(victim, signal.SIGKILL)
    cowherd.wait_until(lambda: victim not in cowherd.worker_pids() and len(cowherd.worker_pids()) == 4)


def stop_and_continue(cowherd, reader, victim):
    os.kill(victim, signal.SIGSTOP)
    try:
        reader.wait_answers(20)
    finally:
        os.kill(victim, signal.SIGCONT)


def stop_and_kill(cowherd, reader, victim):
    os.kill(victim, signal.SIGSTOP)
    reader.wait_answers(20)
    kill(cowherd, reader, victim)


@pytest.mark.parametrize("seed", (1, 2, 3))
def test_a_worker_killed_stopped_or_continued_leaves_the_others_intact(cowherd, seed):
    cowherd.deaths_expected = True
    cowherd.configure(workers=4)
    cowherd.app(PRELOADED)
    cowherd.start()
    chance = random.Random(seed)
    first = cowherd.worker_pids()
    killed = set()

    # A thread waits for its answer while a worker is stopped, and answers are lost only with workers that are killed.
    with Reader(cowherd, threads=THREADS, check=lambda response: response.status in (200, 500, 502, 503)) as reader:
        for _ in range(8):
            reader.wait_answers(chance.randrange(40))
            victim = chance.choice([pid for pid in sorted(cowherd.worker_pids()) if process_alive(pid)])
            action = chance.choice((kill, stop_and_continue, stop_and_continue, stop_and_kill))
            action(cowherd, reader, victim)
            if action is not stop_and_continue:
                killed.add(victim)
        reader.wait_answers(200)

    lost = reader.closed + [body for _, body in reader.answers if not body.startswith(b"preloaded record")]
    assert len(lost) <= THREADS * len(killed), lost
    assert not reader.failures
    workers = cowherd.worker_pids()
    assert first - killed <= workers, "a worker that was not killed is gone"
    for pid in workers:
        size, copied = region(pid)
        assert size > 2 << 20
        assert copied < size / 10, "%d of %d bytes are copied in %d" % (copied, size, pid)
