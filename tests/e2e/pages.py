# SPDX-License-Identifier: Apache-2.0
"""What the pages of the documentation show."""
import re

from uvr import ROOT


def blocks_of(page, language=""):
    """The fenced blocks of that language, each with its lines' ends."""
    text = (ROOT / page).read_text()
    return [body for found, body in re.findall(r"^```(\w*)\n(.*?)^```$", text,
                                               re.M | re.S)
            if found == language]


def examples_of(page, section="[A-Z ]+"):
    """The same of a manual page, or of one of its sections; without roff."""
    text = (ROOT / "docs" / page).read_text()
    text = "".join(re.findall(rf"^\.SH {section}\n(.*?)(?=^\.SH |\Z)", text,
                              re.M | re.S))
    found = re.findall(r"^\.EX\n(.*?)^\.EE$", text, re.M | re.S)
    for roff, plain in ((r"\-", "-"), (r"\(ha", "^"), (r"\(aq", "'")):
        found = [block.replace(roff, plain) for block in found]
    assert not any(re.search(r"\\[^e]", block) for block in found)
    return [block.replace(r"\e", "\\") for block in found]
