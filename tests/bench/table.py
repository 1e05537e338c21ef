# SPDX-License-Identifier: Apache-2.0
"""The rows of the table, each a ratio measured in one run, and what was hoped
for."""
import statistics
import time

AT_LEAST, AT_MOST = "at least", "at most"

rows = []


class Row:
    """One comparison: `measure(lab)` gives its figures, one for each turn."""
    def __init__(self, name, what, bound, goal, measure):
        self.name, self.what = name, what
        self.bound, self.goal, self.measure = bound, goal, measure
        self.figures, self.trouble, self.seconds = [], None, 0.0

    def run(self, lab):
        begun = time.monotonic()
        try:
            self.figures = list(self.measure(lab))
        except Exception as e:      # pylint: disable=broad-except
            self.trouble = f"{type(e).__name__}: {e}".splitlines()[0]
        self.seconds = time.monotonic() - begun

    @property
    def measured(self):
        return statistics.median(self.figures) if self.figures else None

    @property
    def is_ok(self):
        if self.measured is None:
            return False
        return self.measured >= self.goal if self.bound == AT_LEAST else \
            self.measured <= self.goal


def row(name, what, bound, goal):
    """Makes a row of a function, in the order in which they are written."""
    def add(measure):
        rows.append(Row(name, what, bound, goal, measure))
        return measure
    return add


def number(value):
    return "-" if value is None else f"{value:.0f}" if abs(value) >= 100 else \
        f"{value:.2f}"


def write(page, done, scale):
    """In place of the table that the page has, between two comments."""
    lines = ["", f"With {scale:g} of the replications:" if scale != 1 else "",
             "", "| row | what | measured | goal | |", "|---|---|---|---|---|"]
    lines += [f"| `{r.name}` | {r.what} | {number(r.measured)} | "
              f"{r.bound} {number(r.goal)} | {'ok' if r.is_ok else 'short'} |"
              for r in done]
    before, _, rest = page.read_text().partition("<!-- table -->")
    after = rest.partition("<!-- end -->")[2]
    page.write_text("\n".join([before + "<!-- table -->", *lines, "",
                               "<!-- end -->" + after]))


def show(done):
    """For people, and then for programs.  What main() has to exit with."""
    width = max(len(r.what) for r in done)
    for r in done:
        print(f"{r.name:14} {r.what:{width}}  {number(r.measured):>8}"
              f"  {r.bound} {number(r.goal)}"
              f"  ({', '.join(map(number, sorted(r.figures))) or r.trouble})")
    print()
    for r in done:
        print(r.name, number(r.measured), number(r.goal),
              "ok" if r.is_ok else "short", sep="\t")
    if any(r.trouble for r in done):
        return 2
    return 0 if all(r.is_ok for r in done) else 1
