"""What is looked at, twice a minute: `cowherd status --json`, and /proc for what belongs to no pool."""

import json
import os
import time

import memory_meter
from herd import process_title


HEAP = ("live", "slots", "pause_us_max", "allocator_used", "allocator_free")


def processes_of(session):
    """{pid: state} of a session, zombies too."""
    found = {}
    for entry in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % int(entry)) as file:
                fields = file.read().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if int(fields[3]) == session:
            found[int(entry)] = fields[0]
    return found


def descriptors(pid):
    try:
        return len(os.listdir("/proc/%d/fd" % pid))
    except OSError:  # it has just left
        return 0


def look(herd):
    """One sample: bytes, counts."""
    status = herd.status()
    supervisor = herd.process.pid
    processes = processes_of(supervisor)
    own = memory_meter.measure(supervisor)
    return {
        "supervisor": {"private": own.private, "rss": own.rss, "descriptors": descriptors(supervisor)},
        "processes": len(processes),
        "zombies": sorted(pid for pid, state in processes.items() if state == "Z"),
        "descriptors": sum(map(descriptors, processes)),
        "pools": {pool["name"]: look_at_pool(pool) for pool in status["pools"]},
    }


def look_at_pool(pool):
    return {
        "generation": pool["generation"],
        "generations": len(pool["generations"]),
        "ledger": pool["ledger"],
        "refused": pool["refused"],
        "recycled": pool["recycled"],
        "region": pool["region"],
        "mold": {"private": pool["mold"]["memory"]["private"], "shared": pool["mold"]["memory"]["shared"]},
        "workers": [
            {
                "pid": worker["pid"],
                "state": worker["state"],
                "requests": worker["requests"],
                **{key: worker["memory"][key] for key in ("private", "shared", "broken")},
                **{key: worker["gc"][key] for key in HEAP},
                "descriptors": descriptors(worker["pid"]),
            }
            for worker in pool["workers"]
            if worker["memory"]["rss"]  # else it has not been measured yet
        ],
        "worker_count": len(pool["workers"]),
    }


def descriptors_by_kind(herd):
    """Of a quiet farm: {"supervisor": n, "worker of POOL": most of any, "mold of POOL": n, "others": n}."""
    status = herd.status()
    kinds = {herd.process.pid: "supervisor"}
    for pool in status["pools"]:
        kinds[pool["mold"]["pid"]] = "mold of " + pool["name"]
        kinds.update({worker["pid"]: "worker of " + pool["name"] for worker in pool["workers"]})
    most = {}
    for pid in processes_of(herd.process.pid):
        kind = kinds.get(pid) or process_title(pid).split(" (")[0]
        most[kind] = max(most.get(kind, 0), descriptors(pid))
    return most


def leaked(now, then):
    """Which kinds have more than they had, and may have: a worker has two more once its lookout has been there."""
    allowed = {kind: then.get(kind, 0) + (2 if kind.startswith("worker of ") else 0) for kind in now}
    return [kind for kind, count in now.items() if count > allowed[kind]]


class Samples:
    """A list of samples, which is written to `file` as it grows."""

    def __init__(self, herd, crowd, file):
        self.herd, self.crowd = herd, crowd
        self.started = time.monotonic()
        self.all = []
        self._file = open(file, "w")

    def take(self):
        sample = {"minutes": (time.monotonic() - self.started) / 60, "answered": self.crowd.answered,
                  "failed": len(self.crowd.failures), **look(self.herd)}  # fmt: skip
        self.all.append(sample)
        json.dump(sample, self._file)
        self._file.write("\n")
        self._file.flush()
        return sample

    def close(self):
        self._file.close()
