"""The report of `make bench-memory` in Markdown, and its plot."""

import datetime
import textwrap

import machine
import memory_apps
import memory_peers
import memory_plot
from memory_meter import PAGE

MIB = 1 << 20
TABLE_ROWS = (0, 100, 1000, 5000, 10000, 20000, 50000)
COLORS = {"cowherd": "#0a7d33", "cowherd, frozen: false": "#c0392b", "unicorn": "#8e44ad", "gunicorn": "#2471a3",
          "Starlet": "#b9770e"}
PACKAGES = ("unicorn", "gunicorn", "starlet", "libserver-starter-perl")


class Sample:
    """The workers of one server after so many requests each: the largest figures of any of them, the least sharing."""

    def __init__(self, requests, figures):
        self.requests = requests
        self.rss = max(worker.rss for worker in figures)
        self.private = max(worker.private for worker in figures)
        self.broken = max(worker.broken for worker in figures)
        self.sharing = min(worker.sharing for worker in figures)
        self.shared_share = min(worker.shared_share for worker in figures)


class Verdict:
    def __init__(self, what, demanded, measured, holds):
        self.what, self.demanded, self.measured, self.holds = what, demanded, measured, holds

    def line(self):
        return f"| {self.what} | {self.demanded} | {self.measured} | {'pass' if self.holds else 'FAIL'} |"


def table(*head):
    return ["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]


def paragraph(text):
    return ["", *textwrap.wrap(text, 118)]


def series_lines(series):
    lines = table("server", "requests a worker", "Rss, MiB", "private, MiB", "broken, MiB", "shared, % of Rss")
    for name, samples in series.items():
        for sample in samples:
            if sample.requests in TABLE_ROWS:
                broken = f"{sample.broken / MIB:.2f}" if name == "cowherd" else "-"
                lines.append(f"| {name} | {sample.requests:,} | {sample.rss / MIB:.1f} | {sample.private / MIB:.2f} "
                             f"| {broken} | {100 * sample.shared_share:.1f} |")
    return lines


def collection_lines(output):
    what = "Full collections, each after a store into a frozen container of 42,000 entries, in the last of three runs:"
    return ["", what, "", "```", *output.splitlines(), "```"]


def hello_lines(hello):
    lines = ["", "What a hello worker has for itself after 10,000 requests:"] + table("kB", "pages of")
    lines += [f"| {size // 1024} | {kind} |" for kind, size in hello.kinds]
    words = sum(count for _, count in hello.written)
    lines.append(f"| {sum(size for _, size in hello.kinds) // 1024} | all |")
    return lines + paragraph(
        f"In the {len(hello.written)} pages of the region, {words} words of 8 bytes differ from the mold's "
        f"({', '.join(str(count) for _, count in hello.written)}; a page has {PAGE // 8})."
    )


def scale_lines(thousand, replacement):
    spread = f"{thousand.fewest}" if thousand.fewest == thousand.most else f"{thousand.fewest} to {thousand.most}"
    return paragraph(
        f"{thousand.workers:,} workers of the same app, each after {spread} requests: "
        f"{thousand.pss / 1e6:.0f} MB Pss and {thousand.page_tables / 1e6:.0f} MB of page tables, workers and mold "
        f"together. The supervisor has {thousand.supervisor / 1e6:.1f} MB."
    ) + paragraph(
        f"A worker that left after each request was replaced {len(replacement.ready)} times, in turn with bare forks "
        f"of the same mold: {replacement.ready_us:.0f} µs from the supervisor's order to READY, "
        f"{replacement.bare_us:.0f} µs for fork, exit and wait (medians)."
    )


def versions(build, with_peers):
    text = f"mruby {machine.mruby_version(build)}, gcc {machine.compiler_version()}"
    for package in PACKAGES if with_peers else ():
        text += f", {package} {machine.package_version(package)}"
    return text


def text(build, results):
    lines = ["# Results of `make bench-memory`", "", f"Measured on {datetime.date.today().isoformat()}:", ""]
    lines += [f"- {line}" for line in [*machine.lines(), versions(build, len(results.series) > 2)]]
    counts = memory_apps.RECORDS
    lines += paragraph(
        f"Each server has {results.workers} workers and has loaded nested records before the fork, about 60 MB in its "
        f"runtime: {counts['cowherd']:,} in cowherd (a region of {results.region_bytes / MIB:.1f} MiB with "
        f"{results.region_objects:,} objects), {counts['unicorn']:,} in unicorn, {counts['gunicorn']:,} in gunicorn "
        f"(`--preload`), {counts['starlet']:,} in Starlet under start_server. Every request reads 20 of them, one "
        "after the other. Figures are of the worker that is worst. *private*: pages that a worker has for itself; "
        "*broken*: those of preloaded state among them."
    )
    lines += ["", "![private memory over requests](memory.svg)"]
    lines += table("", "demanded", "measured", "")
    lines += [verdict.line() for verdict in results.verdicts]
    lines += series_lines(results.series)
    missing = [peer.name for peer in memory_peers.PEERS if peer.name not in results.series]
    if missing:
        lines += ["", f"Not installed, and left out: {', '.join(missing)}."]
    lines += collection_lines(results.collections) + hello_lines(results.hello)
    lines += scale_lines(results.thousand, results.replacement)
    return "\n".join(lines) + "\n"


def plot(results):
    def private(name):
        return [(sample.requests, sample.private) for sample in results.series[name]]

    def top_of(lines, step):
        highest = max(size for line in lines for _, size in line.points) / MIB
        return (highest // step + 1) * step

    everyone = [memory_plot.Line(name, COLORS[name], private(name)) for name in results.series]
    broken = [(sample.requests, sample.broken) for sample in results.series["cowherd"]]
    frozen = [memory_plot.Line("private", COLORS["cowherd"], private("cowherd")),
              memory_plot.Line("broken", COLORS["cowherd"], broken, dashed=True)]
    return memory_plot.draw("What a worker has for itself while it reads 60 MB of preloaded records", [
        memory_plot.Panel("Private memory of a worker, MiB", everyone, top_of(everyone, 20), 20),
        memory_plot.Panel("The frozen worker alone, MiB: private memory, and preloaded state broken", frozen,
                          top_of(frozen, 0.1), 0.1),
    ])
