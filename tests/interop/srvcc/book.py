"""What proto/SRVCC.md says of a flow: its log, and its diagram."""

import os
import re

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../proto/SRVCC.md")
ALIASES = {
    "IMS-ALG": "L",
    "eMSC": "E",
    "MSC server": "M",
    "ATCF": "T",
    "SCC AS": "S",
    "UE B": "B",
    "gateway": "G",
    "CS-MGW": "G",
    "ATGW": "G",
}


def compare(heading, arrows):
    """Log and diagram of the document must have the messages that there were, in this order."""
    with open(PATH, encoding="utf-8") as file:
        section = file.read().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    log, diagram = (_block(section, kind) for kind in ("text", "mermaid"))
    logged = [line.split(maxsplit=1)[1] for line in log.splitlines() if " -> " in line]
    assert logged == arrows, _difference(f"the log under {heading}", logged, arrows)
    drawn = [line.strip() for line in diagram.splitlines() if "->>" in line]
    expected = [_drawn(arrow) for arrow in arrows]
    assert drawn == expected, _difference(f"the diagram under {heading}", drawn, expected)


def _block(section, kind):
    return re.search(rf"```{kind}\n(.*?)```", section, re.DOTALL).group(1)


def _drawn(arrow):
    source, rest = arrow.split(" -> ")
    to, told = rest.split(": ", 1)
    return f"{ALIASES[source]}->>{ALIASES[to]}: {told}"


def _difference(what, written, played):
    return f"{what} has\n" + "\n".join(written) + "\nand this was said\n" + "\n".join(played)
