"""What has to hold at the end of a soak, what it looked like, and the report of both."""

import datetime
import re
import signal
import statistics
from collections import Counter

import farm
import machine
import memory_plot
from memory_plot import Line, Minutes, Panel
from memory_report import Verdict, paragraph, table
from samples import leaked

KB = 1 << 10
MIB = 1 << 20
COLORS = {"web": "#0a7d33", "scripts": "#2471a3", "files": "#b9770e", "bad": "#c0392b"}
GOOD_ALONE = GROWING = "files"  # the pool that nobody is bad to, and whose workers grow
LEDGER = (
    "{accepted:,} = {completed:,} completed + {error_answered:,} error answered + {client_gone:,} client gone + {lost:,} lost"
)
RECYCLED = ("requests", "age", "private_memory")


def thirds(values):
    """(of the middle third, of the last third): medians."""
    third = max(1, len(values) // 3)
    return statistics.median(values[third : 2 * third] or values), statistics.median(values[-third:])


def slope(points):
    """Least squares: how much y grows for each x."""
    return statistics.linear_regression(*zip(*points)).slope if len(points) > 1 else 0.0


def highest(sample, pool, figure="private"):
    """None: there is none that has been measured."""
    return max((worker[figure] for worker in sample["pools"][pool]["workers"]), default=None)


def pool_is_measured(sample, pool):
    return bool(sample["pools"][pool]["workers"])


def judge(soak):
    verdicts = []

    def demand(what, demanded, measured, holds):
        verdicts.append(Verdict(what, demanded, measured, holds))

    crowd, samples, end = soak.crowd, soak.samples.all, soak.end
    failed = len(crowd.failures)
    demand("good requests that failed", "0", f"{failed:,} of {crowd.answered + failed:,}", failed == 0)
    broken = ["%s: %s" % (type(error).__name__, error) for error in crowd.broken_threads]
    demand("clients that gave up", "0", "; ".join(broken) or "0", not broken)
    refused = soak.operator.refused
    demand("commands of the operator refused", "0", "; ".join(refused) or "0", not refused)
    for name, pool in end["pools"].items():
        ledger = pool["ledger"]
        ended = sum(ledger[key] for key in ("completed", "error_answered", "client_gone", "lost"))
        demand(f"ledger of {name}", "adds up, nothing lost", LEDGER.format(**ledger),
               ledger["accepted"] == ended and ledger["lost"] == 0)
    ledger = end["pools"][GOOD_ALONE]["ledger"]
    demand(f"in {GOOD_ALONE}, which has good clients alone", "all completed",
           f"{ledger['accepted'] - ledger['completed']} not", ledger["accepted"] == ledger["completed"])
    store, counts = soak.store, crowd.counts
    demand("sum in the store", f"{counts.added:,} added", f"{store['sum']:,}", store["sum"] == counts.added)
    demand("log hooks run", f"{counts.added + counts.refused:,} requests", f"{store['logged']:,}",
           store["logged"] == counts.added + counts.refused)
    demand("hooks at a worker's end", "one for each start, but those that run",
           f"{store['started']:,} started, {store['stopped']:,} stopped, {store['running']} run",
           store["started"] == store["stopped"] + store["running"])
    unexpected = [line for line, number in soak.deaths if number != signal.SIGKILL]
    demand("deaths by a signal", "only SIGKILL, for time-outs", "; ".join(unexpected) or
           f"{len(soak.deaths):,} by SIGKILL", not unexpected)
    demand("zombies at the end", "0", str(len(end["zombies"])), not end["zombies"])
    demand("processes, when all is quiet", f"{soak.start['processes']} as at the start", str(end["processes"]),
           end["processes"] == soak.start["processes"])
    more = {kind: count for kind, count in soak.end_descriptors.items() if count > soak.start_descriptors.get(kind, 0)}
    demand("descriptors, when all is quiet", "none has more than at the start, a worker two for its lookout",
           ", ".join(f"{kind}: {soak.start_descriptors.get(kind)} then {count}" for kind, count in more.items())
           or f"the supervisor {soak.end_descriptors['supervisor']}, as then",
           not leaked(soak.end_descriptors, soak.start_descriptors))
    judge_memory(demand, samples)
    if soak.minutes >= 5:
        counts = {rule: sum(pool["recycled"][rule] for pool in end["pools"].values()) for rule in RECYCLED}
        demand("recycled for requests, age and private bytes", "each",
               ", ".join(f"{count:,} for {rule}" for rule, count in counts.items()), all(counts.values()))
    return verdicts


def judge_memory(demand, samples):
    before, after = thirds([sample["supervisor"]["private"] for sample in samples])
    late = samples[len(samples) // 3 :]
    trend = slope([(sample["minutes"], sample["supervisor"]["private"]) for sample in late])
    demand("the supervisor's private memory, last third against the middle one", "at most 64 kB more",
           f"{before / KB:,.0f} to {after / KB:,.0f} kB; {trend / KB * 60:+,.0f} kB an hour", after - before <= 64 * KB)
    for name in COLORS:
        measured = [highest(sample, name) for sample in samples if pool_is_measured(sample, name)]
        if name == GROWING:
            demand(f"private memory of any worker of {name}, which grow", f"at most {2 * farm.GROWTH / MIB:g} MiB: "
                   "twice what they are recycled at", f"{max(measured) / MIB:.1f} MiB", max(measured) <= 2 * farm.GROWTH)
            continue
        before, after = thirds(measured)
        demand(f"private memory of the largest worker of {name}, the same", "at most 256 kB more",
               f"{before / KB:,.0f} to {after / KB:,.0f} kB", after - before <= 256 * KB)


DEATH = re.compile(r" worker .* ended: signal (\d+)")


def deaths_by_signal(log):
    """(line of the error log, number of the signal) of each worker."""
    found = [(line, DEATH.search(line)) for line in log.split("\n")]
    return [(line, int(match[1])) for line, match in found if match]


# -- plots


def top_and_step(lines, unit):
    most = max(value for line in lines for _, value in line.points) / unit or 1
    step = next(power * factor for power in (10.0**n for n in range(-3, 9)) for factor in (1, 2, 5)
                if most / (power * factor) <= 8)  # fmt: skip
    return (int(most / step) + 1) * step, step


def panel(title, lines, unit=MIB, decimals=2):
    top, step = top_and_step(lines, unit)
    return Panel(title, lines, top, step, unit, decimals)


def over_time(samples, value):
    points = [(sample["minutes"], value(sample)) for sample in samples]
    return [point for point in points if point[1] is not None]


def of_pools(samples, value):
    return [Line(name, color, over_time(samples, lambda sample, name=name: value(sample, name)))
            for name, color in COLORS.items()]  # fmt: skip


def rates(samples):
    points = []
    for before, after in zip(samples, samples[1:]):
        seconds = (after["minutes"] - before["minutes"]) * 60
        points.append((after["minutes"], (after["answered"] - before["answered"]) / seconds))
    return points


def shared(sample, pool):
    workers = sample["pools"][pool]["workers"]
    return statistics.median(worker["shared"] for worker in workers) if workers else None


def plot_memory(samples):
    supervisor = [Line("private", "#222222", over_time(samples, lambda sample: sample["supervisor"]["private"]))]
    molds = of_pools(samples, lambda sample, pool: sample["pools"][pool]["mold"]["private"])
    return memory_plot.draw("Memory during the soak", [
        panel("Private memory of the largest worker of each pool, MiB", of_pools(samples, highest)),
        panel("Shared memory of the median worker, MiB", of_pools(samples, shared)),
        panel("Preloaded state that the worst worker has broken, MiB",
              of_pools(samples, lambda sample, pool: highest(sample, pool, "broken"))),
        panel("Private memory of the molds, MiB", molds),
        panel("Private memory of the supervisor, MiB", supervisor),
    ], Minutes())  # fmt: skip


def plot_activity(samples):
    def single(label, key, color):
        return Line(label, color, over_time(samples, lambda sample: sample[key]))

    workers = of_pools(samples, lambda sample, pool: sample["pools"][pool]["worker_count"])
    descriptors = [single("all", "descriptors", "#8e44ad"),
                   Line("supervisor", "#222222", over_time(samples, lambda s: s["supervisor"]["descriptors"]))]
    return memory_plot.draw("What went on during the soak", [
        panel("Good requests answered a second", [Line("answered", "#0a7d33", rates(samples))], 1, 0),
        panel("Failed requests", [single("failed", "failed", "#c0392b")], 1, 0),
        panel("Workers, those that leave included", workers, 1, 0),
        panel("Processes", [single("processes", "processes", "#2471a3")], 1, 0),
        panel("Descriptors", descriptors, 1, 0),
        panel("Live young objects of the worst worker, thousands",
              of_pools(samples, lambda sample, pool: highest(sample, pool, "live")), 1000, 1),
        panel("malloc in use by the largest worker, MiB",
              of_pools(samples, lambda sample, pool: highest(sample, pool, "allocator_used"))),
        panel("Longest collection of any worker, ms",
              of_pools(samples, lambda sample, pool: highest(sample, pool, "pause_us_max")), 1000, 1),
    ], Minutes())  # fmt: skip


# -- the report


INTRODUCTION = """
Four pools: web (apps with an interpreter of their own and a shared one, a store, hooks; recycled by requests), scripts
(cached, and edited once a second; TCP; recycled by age), files (uploads and downloads, an app that grows; as many workers
as there is to do; recycled by private bytes) and bad (what raises, loops, can't be stopped or exits, beside a healthy app).
nginx before them twice, with keep-conn off and on. To web, scripts and bad others send malformed and mutated records,
trickle, linger, leave in the middle or read slowly. Meanwhile an operator reloads, sends HUP, scales web and rotates the
access log, and the metrics are asked for every five seconds.
"""


def counted(counts):
    """Or "none"."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in sorted(counts.items()) if count) or "none"


def clients_table(crowd):
    lines = table("clients", "answered as they had to be", "longest, s", "retries on stale connections")
    for name, clients in crowd.groups.items():
        lines.append(f"| {name} | {clients.answered:,} | {clients.longest:.2f} | {clients.retries:,} |")
    return lines + [f"| bursts | {crowd.bursts['answered']:,} | | |"]


def pools_table(samples, end):
    lines = table("pool", "generations", "recycled", "refused", "private of the largest worker, kB", "shared, MiB")
    for name, pool in end["pools"].items():
        recycled, refused = counted(pool["recycled"]), counted(pool["refused"])
        private = statistics.median(highest(sample, name) for sample in samples if pool_is_measured(sample, name))
        common = (shared(end, name) or 0) / MIB
        lines.append(f"| {name} | {pool['generation']:,} | {recycled} | {refused} | {private / KB:,.0f} | {common:.1f} |")
    return lines


def text(soak, verdicts, build):
    crowd = soak.crowd
    versions = (f"mruby {machine.mruby_version(build)}, gcc {machine.compiler_version()}, "
                f"nginx-light {machine.package_version('nginx-light')}")  # fmt: skip
    measured = f"Measured on {datetime.date.today()}, {soak.minutes:g} minutes, seed {soak.seed}:"
    lines = ["# Results of `make soak`", "", measured, "", *(f"- {line}" for line in [*machine.lines(), versions])]
    lines += paragraph(INTRODUCTION.strip())
    lines += table("", "demanded", "measured", "") + [verdict.line() for verdict in verdicts]
    lines += ["", "![memory](memory.svg)", "", "![activity](activity.svg)"]
    lines += clients_table(crowd)
    attempts = counted(sum((hostile.attempts for hostile in crowd.hostile), Counter()))
    lines += paragraph(
        f"Hostile clients: {attempts}. The operator: {counted(soak.operator.done)}. {crowd.script.written:,} edits of a "
        f"script, {crowd.statuses:,} times the metrics and the status over status.listen."
    )
    lines += pools_table(soak.samples.all, soak.end)
    lines += ["\nfailed: %s" % (failure,) for failure in crowd.failures[:20]]
    return "\n".join(lines) + "\n"
