"""The table of what was seen: a row for each case, a column for each front end."""

import differences
import servers
from cases import CASES

SEEN = {}  # (case, front end): {transport: cell}


def _text(key, transport):
    """What was seen; of what is seen now and then, all of it: the same table each time."""
    seen, expected = SEEN[key][transport], differences.expected(*key, transport)
    if seen in expected and isinstance(expected, set):
        return " or ".join(cell or "yes" for cell in sorted(expected, key=lambda cell: cell or "") if " and " not in (cell or ""))
    return seen or "yes"


def _cell(key, notes):
    cells = SEEN.get(key, {})
    texts = [_text(key, transport) for transport in sorted(cells, reverse=True)]
    if not texts:
        return ""
    text = texts[0] if len(set(texts)) == 1 else ", ".join("%s: %s" % pair for pair in zip(sorted(cells, reverse=True), texts))
    why = differences.reason(*key)
    if text != "yes" and why:
        if why not in notes:
            notes.append(why)
        text += " [%d]" % (notes.index(why) + 1)
    return text


def markdown():
    names = [cls.name for cls in servers.FRONT_ENDS if any(key[1] == cls.name for key in SEEN)]
    versions = {cls.name: cls.version() for cls in servers.FRONT_ENDS if cls.name in names}
    notes = []
    lines = [
        "| | " + " | ".join("%s %s" % (name, versions[name]) for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for case in CASES:
        cells = [_cell((case.__name__, name), notes) for name in names]
        if any(cells):
            lines.append("| %s | %s |" % (case.title, " | ".join(cells)))
    lines += [""] + ["%d. %s" % (number, why) for number, why in enumerate(notes, 1)]
    return "\n".join(lines)
