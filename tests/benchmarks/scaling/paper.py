"""What the measured rates, bytes and memory mean for more objects than a machine holds: arithmetic, not measurement.

``python -m tests.benchmarks.scaling paper`` reads the tables that the other parts have written.
"""

from pathlib import Path

PAGES = Path(__file__).parents[3] / "docs" / "scaling"
COUNTS = (10**7, 10**8, 10**9, 10**10)
#: Cores, a network's images a second on each (EfficientNet-Lite0 at 224 px, docs/performance/C.txt), and its features.
CORES, NETWORK_DIM = 500, 1280
SHARD = 655_360
HEAD = ("of", *(f"{count:.0e}".replace("e+", "e") for count in COUNTS))


def rows():
    """Yield a row for each quantity that somebody has to provide."""
    made, index = _last("growth.txt", "store"), _last("growth.txt", "index")
    measured = int(made["objects"])
    stamps = _last("extraction.txt", "1,000,000", "stamps")
    network = _network()
    bytes_indexed = 1e6 * index["files MB"] / measured
    workers = 2
    yield _row("shards of 655,360", [count / SHARD for count in COUNTS], "")
    yield _row("profiles: core-hours", [count / (stamps["stamps/s"] / workers) / 3600 for count in COUNTS], "h")
    yield _row(f"network: hours on {CORES} cores", [count / (network * CORES) / 3600 for count in COUNTS], "h")
    yield _row("network's numbers: store", [4 * NETWORK_DIM * count for count in COUNTS], "B")
    yield _row("of 64 numbers: store", [4 * 64 * count for count in COUNTS], "B")
    yield _row("of 64 numbers: index", [bytes_indexed * count for count in COUNTS], "B")
    hours = [count / (index["objects/s"] / workers) / 3600 for count in COUNTS]
    yield _row("of 64 numbers: index, core-hours", hours, "h")
    yield _row("ids and positions of a catalogue in one file", [56 * count for count in COUNTS], "B")


def _last(name, first, column="step"):
    """Read the last row of a table that begins with a word, or that is of so many objects."""
    lines = (PAGES / name).read_text().splitlines()
    edges = [at for at, line in enumerate(lines) if line.startswith("==")]
    spans = _spans(lines[edges[0]])
    head = [lines[edges[0] + 1][span].strip() for span in spans]
    found = [
        dict(zip(head, (line[span].strip() for span in spans), strict=True)) for line in lines[edges[1] + 1 : edges[2]]
    ]
    row = [one for one in found if one[column].strip() == first][-1]
    return {key: _number(value) for key, value in row.items()}


def _spans(rule):
    spans, start = [], 0
    for word in rule.split("  "):
        spans.append(slice(start, start + len(word) + 2))
        start += len(word) + 2
    return spans


def _number(text):
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text


def _network():
    """Read how many images a second one core takes from stamps to features by the default network."""
    text = (PAGES.parent / "performance" / "C.txt").read_text()
    line = next(line for line in text.splitlines() if line.strip().startswith("efficientnet-lite0, astrotl  "))
    return float(line.split()[2]) / 2


def _row(name, values, unit):
    return (name, *(_short(value, unit) for value in values))


def _short(value, unit):
    if unit == "h":
        return f"{value:,.0f} h" if value >= 1 else f"{60 * value:.0f} min"
    if not unit:
        return f"{max(value, 1):,.0f}"
    for prefix in ("", "k", "M", "G", "T", "P"):
        if value < 1000:
            return f"{value:.3g} {prefix}{unit}"
        value /= 1000
    return f"{value:.3g} E{unit}"
