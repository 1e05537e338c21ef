# SPDX-License-Identifier: Apache-2.0
"""The table docs/programs.md, made from what came out of the tests."""
import contextlib
import pathlib

from programs import READERS, WRITERS

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/programs.md"
WRITING = ("`state`", "refused", "`spec.yaml`", "refused there", "run again")
READING = ("reads",)

HEAD = """\
# Which programs work

Made by the tests: `pytest tests/e2e/test_programs.py --write-table`. They run each program in the directory of a replication, on a word file
(`state`) and on a YAML file (`spec.yaml`), once with something that is accepted and once with something that is refused. After each of them they look at the
value, at the sentence in `error`, and that nothing was left behind in the directory. A `-` is what has not been tried, or does not apply.

"""
WRITE = """\
## Writing

`exit N`: the program ends with that status and says what was wrong. `silent`: it ends well although it was refused; look into `error`. That is so
where a shell's builtin writes YAML, since shells ignore what close(2) says. `never`: it is always refused, since what it writes can't be a word (`dd bs=1`
makes each byte a request of its own), or since it would rename the file away to keep what was there.

"""
READ = """
## Reading and watching

"""

cells = {}


@contextlib.contextmanager
def cell(row, column):
    """A test's cell: `fails` unless it comes to its end; what it notes."""
    notes = []
    cells[row.name, column] = "fails"
    yield notes.append
    cells[row.name, column] = notes[-1] if notes else "works"


def rows(programs, columns):
    yield ["program", "version", *columns]
    yield ["---"] * (2 + len(columns))
    for p in programs:
        version = p.version() if p.is_here() else "-"
        yield [p.name, version] + [cells.get((p.name, c), "-")
                                   for c in columns]


def render():
    def table(*what):
        return "".join("| " + " | ".join(row) + " |\n" for row in rows(*what))
    return (HEAD + WRITE + table(WRITERS, WRITING) +
            READ + table(READERS, READING))


def missing():
    """What has not run, so that a table made now would lack it."""
    return [(p.name, c) for programs, columns in
            ((WRITERS, WRITING[:4]), (READERS, READING))
            for p in programs for c in columns if (p.name, c) not in cells]


def write():
    PAGE.write_text(render())


def committed():
    """{(program, column): text} of the page, versions aside."""
    found, header = {}, []
    for line in PAGE.read_text().splitlines():
        if not line.startswith("| "):
            header = []
            continue
        row = [part.strip() for part in line.strip("| ").split(" | ")]
        if not header:
            header = row
        elif row[0] != "---":
            found.update({(row[0], column): text for column, text
                          in list(zip(header, row))[2:]})
    return found
