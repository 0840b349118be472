"""Plots as SVG: lines over the number of requests (`make bench-memory`) or over time (`make soak`). No library, no script
in it."""

import math
from xml.sax.saxutils import escape

MIB = 1 << 20
WIDTH = 900
LEFT, RIGHT = 70, 230
PANEL = 300
TOP, GAP, BOTTOM = 76, 84, 56
LABEL = 16  # distance of labels

STYLE = """\
text { font: 13px sans-serif; fill: #222 }
.title { font-size: 17px; font-weight: bold }
.panel { font-size: 14px; font-weight: bold }
.axis { fill: #555 }
.grid { stroke: #ddd; stroke-width: 1 }
.leader { fill: none; stroke-width: 1; stroke-dasharray: 1 3 }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round }
"""


class Line:
    """`points`: (requests or minutes, bytes or whatever `unit` of the panel is one of), in order."""

    def __init__(self, label, color, points, dashed=False):
        self.label, self.color, self.points, self.dashed = label, color, points, dashed


class Panel:
    """Against an axis, units (linear) from 0 to `top`, marked every `step`."""

    def __init__(self, title, lines, top, step, unit=MIB, decimals=2):
        self.title, self.lines, self.top, self.step = title, lines, top, step
        self.unit, self.decimals = unit, decimals


class Requests:
    """Logarithmic from FIRST on; what was measured before the first request stands before it."""

    FIRST, BEFORE = 10, 44
    title, dots = "requests to each worker", True

    def place(self, requests, last):
        if requests < self.FIRST:
            return LEFT
        share = math.log(requests / self.FIRST) / math.log(last / self.FIRST)
        return LEFT + self.BEFORE + share * (WIDTH - LEFT - self.BEFORE - RIGHT)

    def marks(self, last):
        return (0, *(10**power for power in range(1, int(math.log10(last)) + 1)))


class Minutes:
    """Linear, from 0 on."""

    title, dots = "minutes", False

    def place(self, minutes, last):
        return LEFT + minutes / last * (WIDTH - LEFT - RIGHT)

    def marks(self, last):
        step = next(step for step in (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60, 240) if last / step <= 8 or step == 240)
        return [mark * step for mark in range(int(last / step + 1e-9) + 1)]


def number(value):
    return f"{value:,g}" if value < 1000 else f"{value:,.0f}"


def spread(wanted):
    """Heights of labels as close to the wanted ones as lets them stand apart. Takes and returns them in order."""
    placed = []
    for height in wanted:
        placed.append(max(height, placed[-1] + LABEL) if placed else height)
    excess = placed[-1] - max(wanted[-1], placed[0]) if placed else 0
    return [height - excess / 2 for height in placed]


def draw_axes(panel, offset, axis, last):
    out = [f'<text class="panel" x="{LEFT}" y="{offset - 14}">{escape(panel.title)}</text>']
    for mark in range(int(panel.top / panel.step + 1e-9) + 1):
        value = mark * panel.step
        y = offset + PANEL - value / panel.top * PANEL
        out.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        text = number(round(value, 3))
        out.append(f'<text class="axis" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for mark in axis.marks(last):
        x = axis.place(mark, last)
        out.append(f'<line class="grid" x1="{x:.1f}" y1="{offset}" x2="{x:.1f}" y2="{offset + PANEL}"/>')
        text, y = number(mark), offset + PANEL + 18
        out.append(f'<text class="axis" x="{x:.1f}" y="{y}" text-anchor="middle">{text}</text>')
    return out


def draw_lines(panel, offset, axis, last):
    out, ends = [], []
    for line in panel.lines:
        places = [(axis.place(at, last), offset + PANEL - min(size / panel.unit / panel.top, 1) * PANEL)
                  for at, size in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        out.append(f'<polyline class="line" stroke="{line.color}"{dash} points="{path}"/>')
        if axis.dots:
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{line.color}"/>' for x, y in places]
        ends.append((*places[-1], line))
    ends.sort(key=lambda end: end[1])
    for y, (right, end, line) in zip(spread([end for _, end, _ in ends]), ends):
        text = f"{line.label}: {line.points[-1][1] / panel.unit:,.{panel.decimals}f}"
        x = WIDTH - RIGHT
        leader = f"{right + 4:.1f},{end:.1f} {x + 3},{end:.1f} {x + 12},{y:.1f}"
        out.append(f'<polyline class="leader" points="{leader}" stroke="{line.color}"/>')
        out.append(f'<text x="{x + 15}" y="{y + 4:.1f}" style="fill: {line.color}">{escape(text)}</text>')
    return out


def draw(title, panels, axis=Requests()):
    last = max(at for panel in panels for line in panel.lines for at, _ in line.points)
    height = TOP + len(panels) * PANEL + (len(panels) - 1) * GAP + BOTTOM
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text class="title" x="{LEFT}" y="28">{escape(title)}</text>',
    ]
    for index, panel in enumerate(panels):
        offset = TOP + index * (PANEL + GAP)
        out += draw_axes(panel, offset, axis, last)
        out += draw_lines(panel, offset, axis, last)
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text class="axis" x="{middle}" y="{height - 14}" text-anchor="middle">{axis.title}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
