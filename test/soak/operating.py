"""What an operator does to a farm that is in use."""

import random
import signal
import time
from collections import Counter

from clients import app

import farm


class Operator:
    def __init__(self, herd, seed):
        self.herd = herd
        self.rng = random.Random(seed)
        self.done = Counter()
        self.refused = []
        self.next = time.monotonic() + 5
        self._version = 1

    def turn(self):
        """To be called often: does something when it is time."""
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + self.rng.uniform(10, 40)
        act = self.rng.choice([self.reload, self.hang_up, self.scale, self.rotate])
        act()

    def command(self, *words):
        result = self.herd.command(*words)
        if result.returncode != 0:
            self.refused.append("%s: %s" % (" ".join(map(str, words)), result.stderr.strip()))
        self.done[words[0]] += 1

    def new_version(self):
        self._version += 1
        for name in ("good", "healthy"):
            (self.herd.directory / "apps" / name / "config.ru").write_text(app(self._version))

    def reload(self):
        self.new_version()
        self.command("reload", *self.rng.choice([[], [], ["web"]]))

    def hang_up(self):
        self.new_version()
        self.herd.signal(signal.SIGHUP)
        self.done["HUP"] += 1

    def scale(self):
        self.command("scale", "web", self.rng.choice([2, 3, 4, 5]))

    def rotate(self):
        """As logrotate does; what was rotated is not kept."""
        log = self.herd.directory / "access.log"
        log.rename(log.with_suffix(".old"))
        if self.rng.random() < 0.5:
            self.command("reopen")
        else:
            self.herd.signal(signal.SIGUSR1)
            self.done["USR1"] += 1

    def settle(self):
        """As it was at the start."""
        for pool in ("web", "scripts", "bad"):
            self.command("scale", pool, farm.QUIET[pool])
        farm.wait_quiet(self.herd)
