"""The plot of `make bench-memory`: lines over the number of requests, as SVG. No library, no script in it."""

import math
from xml.sax.saxutils import escape

MIB = 1 << 20
WIDTH = 900
LEFT, RIGHT = 70, 230
PANEL = 300
TOP, GAP, BOTTOM = 76, 84, 56
FIRST = 10  # where the logarithmic part begins; what was measured before the first request stands before it
BEFORE = 44
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
    """`points`: (requests, bytes), in order."""

    def __init__(self, label, color, points, dashed=False):
        self.label, self.color, self.points, self.dashed = label, color, points, dashed


class Panel:
    """Requests (logarithmic from FIRST on) against MiB (linear) from 0 to `top`, marked every `step`."""

    def __init__(self, title, lines, top, step):
        self.title, self.lines, self.top, self.step = title, lines, top, step


def x_of(requests, last):
    if requests < FIRST:
        return LEFT
    share = math.log(requests / FIRST) / math.log(last / FIRST)
    return LEFT + BEFORE + share * (WIDTH - LEFT - BEFORE - RIGHT)


def number(value):
    return f"{value:,g}" if value < 1000 else f"{value:,.0f}"


def spread(wanted):
    """Heights of labels as close to the wanted ones as lets them stand apart. Takes and returns them in order."""
    placed = []
    for height in wanted:
        placed.append(max(height, placed[-1] + LABEL) if placed else height)
    excess = placed[-1] - max(wanted[-1], placed[0]) if placed else 0
    return [height - excess / 2 for height in placed]


def draw_axes(panel, offset, last):
    out = [f'<text class="panel" x="{LEFT}" y="{offset - 14}">{escape(panel.title)}</text>']
    for mark in range(int(panel.top / panel.step + 1e-9) + 1):
        value = mark * panel.step
        y = offset + PANEL - value / panel.top * PANEL
        out.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        text = number(round(value, 3))
        out.append(f'<text class="axis" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for requests in (0, *(10**power for power in range(1, int(math.log10(last)) + 1))):
        x = x_of(requests, last)
        out.append(f'<line class="grid" x1="{x:.1f}" y1="{offset}" x2="{x:.1f}" y2="{offset + PANEL}"/>')
        text, y = number(requests), offset + PANEL + 18
        out.append(f'<text class="axis" x="{x:.1f}" y="{y}" text-anchor="middle">{text}</text>')
    return out


def draw_lines(panel, offset, last):
    out, ends = [], []
    for line in panel.lines:
        places = [(x_of(requests, last), offset + PANEL - min(size / MIB / panel.top, 1) * PANEL)
                  for requests, size in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        out.append(f'<polyline class="line" stroke="{line.color}"{dash} points="{path}"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{line.color}"/>' for x, y in places]
        ends.append((*places[-1], line))
    ends.sort(key=lambda end: end[1])
    for y, (right, end, line) in zip(spread([end for _, end, _ in ends]), ends):
        text = f"{line.label}: {line.points[-1][1] / MIB:.2f}"
        x = WIDTH - RIGHT
        leader = f"{right + 4:.1f},{end:.1f} {x + 3},{end:.1f} {x + 12},{y:.1f}"
        out.append(f'<polyline class="leader" points="{leader}" stroke="{line.color}"/>')
        out.append(f'<text x="{x + 15}" y="{y + 4:.1f}" style="fill: {line.color}">{escape(text)}</text>')
    return out


def draw(title, panels):
    last = max(requests for panel in panels for line in panel.lines for requests, _ in line.points)
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
        out += draw_axes(panel, offset, last)
        out += draw_lines(panel, offset, last)
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text class="axis" x="{middle}" y="{height - 14}" text-anchor="middle">requests to each worker</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
