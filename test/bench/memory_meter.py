"""What processes cost, read from /proc as daemon/base/memory_meter.h defines it; bytes."""

import os
import re
import struct

REGION = "/memfd:cowherd-region"
PAGE = 4096
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)")


class CannotMeasure(Exception):
    """Something that a measurement needs is missing, did not start or answered wrong."""


class Mapping:
    def __init__(self, start, end, permissions, name):
        self.start, self.end, self.permissions, self.name = start, end, permissions, name
        self.sizes = {}

    @property
    def is_region(self):
        return self.name.startswith(REGION)

    @property
    def private(self):
        if self.is_region:
            return self.sizes["Anonymous"]
        return self.sizes["Private_Clean"] + self.sizes["Private_Dirty"]


class Figures:
    """Of one process. private, broken, shared: as the memory meter has them; broken is 0 where there is no region."""

    def __init__(self, mappings):
        self.mappings = mappings
        self.rss = sum(mapping.sizes["Rss"] for mapping in mappings)
        self.private = sum(mapping.private for mapping in mappings)
        self.broken = sum(mapping.private for mapping in mappings if mapping.is_region)
        self.region = sum(mapping.end - mapping.start for mapping in mappings if mapping.is_region)

    @property
    def shared_share(self):
        return 1 - self.private / self.rss

    @property
    def sharing(self):
        """Of the preloaded state; of all memory where there is no region."""
        return 1 - self.broken / self.region if self.region else self.shared_share


def measure(pid):
    mappings = []
    with open("/proc/%d/smaps" % pid) as file:
        for line in file:
            found = MAPPING.match(line)
            if found:
                start, end, permissions, name = found.groups()
                mappings.append(Mapping(int(start, 16), int(end, 16), permissions, name.strip()))
            elif line.endswith(" kB\n"):
                key, _, value = line.partition(":")
                mappings[-1].sizes[key] = int(value.split()[0]) * 1024
    return Figures(mappings)


def field(pid, file, name):
    """One "Name: 12 kB" of /proc/PID/FILE."""
    with open("/proc/%d/%s" % (pid, file)) as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def pss_and_page_tables(pid):
    return field(pid, "smaps_rollup", "Pss"), field(pid, "status", "VmPTE")


def children(pid):
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as file:
            found += map(int, file.read().split())
    return found


def leaves(pid):
    """The processes below `pid` that have none below themselves."""
    below = children(pid)
    return [leaf for child in below for leaf in leaves(child)] if below else [pid]


def written_words(pid, other, mapping):
    """For each page of a private file mapping that `pid` has copied: (offset, words that differ from `other`'s)."""
    pages = []
    with open("/proc/%d/pagemap" % pid, "rb") as pagemap, open("/proc/%d/mem" % pid, "rb") as own, open(
        "/proc/%d/mem" % other, "rb"
    ) as others:
        for page in range(mapping.start, mapping.end, PAGE):
            pagemap.seek(page // PAGE * 8)
            (entry,) = struct.unpack("Q", pagemap.read(8))
            if not entry >> 63 or entry >> 61 & 1:  # not present, or still the file's
                continue
            own.seek(page)
            others.seek(page)
            mine, theirs = own.read(PAGE), others.read(PAGE)
            differing = sum(mine[i : i + 8] != theirs[i : i + 8] for i in range(0, PAGE, 8))
            pages.append((page - mapping.start, differing))
    return pages


KINDS = [
    (lambda m: m.is_region, "region: pages of preloaded state that were written"),
    (lambda m: m.name == "[heap]", "malloc: young objects, libfcgi's buffers, the worker's own tables"),
    (lambda m: m.name == "[stack]", "C stack"),
    (lambda m: m.name.endswith("/cowherd-mold") and "w" in m.permissions, "cowherd-mold: data"),
    (lambda m: m.name.endswith("/cowherd-mold"), "cowherd-mold: code and relocations that no other process maps"),
    (lambda m: ".so" in m.name and "w" in m.permissions, "libraries: data"),
    (lambda m: ".so" in m.name, "libraries: code and relocations that no other process maps"),
    (lambda m: "scoreboard" in m.name, "scoreboard"),
    (lambda m: m.name == "", "anonymous: zeroed data (bss), the free lists of malloc, large blocks"),
    (lambda m: True, "other"),
]


def by_kind(figures):
    """[(what, bytes private)], the largest first."""
    sums = {}
    for mapping in figures.mappings:
        kind = next(text for matches, text in KINDS if matches(mapping))
        sums[kind] = sums.get(kind, 0) + mapping.private
    return sorted(((kind, size) for kind, size in sums.items() if size), key=lambda entry: -entry[1])
