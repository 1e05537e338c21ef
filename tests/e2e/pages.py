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
