# SPDX-License-Identifier: Apache-2.0
"""The programs that people have, and how they write and read files.

A command is bash's, in the directory of a replication, with

  F     the file that is written: state, or spec.yaml
  NEW   a file elsewhere with what is to be in it
  V     the same as text, without its last newline
  OLD   a pattern for the one line that is to change, and
  LINE  what that line is to be, for programs that edit
  W     an empty directory on another file system
"""
import dataclasses
import re
import shutil

from shell import sh

# The system's own programs, whatever else the caller's PATH has first.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass(frozen=True)
class Program:
    name: str                   # as the table shows it
    command: str
    needs: str = ""             # the program, when it is not the first word
    silent: tuple = ()          # the files whose refusal it does not tell of
    never: dict = dataclasses.field(default_factory=dict)
    #                             the files on which it can't work, and the errno
    says: tuple = ()            # a part of its words on a refusal of state and
    #                             of spec.yaml, when they aren't the errno's
    again: bool = False         # it says itself whether it changed something

    @property
    def program(self):
        return self.needs or self.command.split()[0]

    def is_here(self):
        return shutil.which(self.program, path=PATH) is not None

    def version(self):
        """As it says itself; dash, for one, does not."""
        name = self.program
        said = sh(f"{name} --version || {name} --help || dpkg-query -W "
                  f"-f '${{Version}}' {name}", env={"PATH": PATH})
        lines = "\n".join((said.out + said.err).splitlines()[:3])
        if name == "dash":
            lines = sh("dpkg-query -W -f '${Version}' dash").out
        found = (re.search(r"\d+(?:\.\d+)+", lines) or
                 re.search(r"\d+", lines))
        return found[0] if found else "?"


def python(code):
    return (f"python3 -c '\nimport os, sys, tempfile\n"
            f"f, v = os.environ[\"F\"], os.environ[\"V\"] + \"\\n\"\n{code}'")


def ansible(module, arguments):
    return (f"ansible localhost -c local -m {module} "
            f"-a \"{arguments}\" -e ansible_python_interpreter="
            "/usr/bin/python3")


YAML = ("spec.yaml",)
NO_WORD = {"state": "EINVAL"}
# It would keep what was there by renaming it away.
NO_BACKUP = {"state": "EPERM", "spec.yaml": "EPERM"}

WRITERS = [
    Program("bash: echo >", "bash -c 'echo \"$V\" > $F'", silent=YAML),
    Program("bash: echo >>", "bash -c 'echo \"$V\" >> $F'", silent=YAML),
    Program("bash: printf >", "bash -c 'printf %s \"$V\" > $F'", silent=YAML),
    Program("bash: cat <<< >", "bash -c 'cat <<< \"$V\" > $F'"),
    Program("dash: echo >", "dash -c 'echo \"$V\" > $F'", silent=YAML,
            says=("I/O error",)),
    Program("dash: echo >>", "dash -c 'echo \"$V\" >> $F'", silent=YAML,
            says=("I/O error",)),
    Program("dash: printf >", "dash -c 'printf %s \"$V\" > $F'", silent=YAML,
            says=("I/O error",)),
    Program("cat >", "cat $NEW > $F"),
    Program("tee", "tee $F < $NEW > /dev/null"),
    Program("tee -a", "tee -a $F < $NEW > /dev/null"),
    Program("dd", "dd if=$NEW of=$F"),
    Program("dd conv=fsync", "dd if=$NEW of=$F conv=fsync"),
    Program("dd bs=1", "dd if=$NEW of=$F bs=1", never=NO_WORD),
    Program("cp", "cp $NEW $F"),
    Program("cp -a", "cp -a $NEW $F"),
    Program("cp -b", "cp -b $NEW $F", never=NO_BACKUP),
    Program("cp --remove-destination", "cp --remove-destination $NEW $F"),
    Program("install", "install -m 600 $NEW $F"),
    Program("mv, same file system", "cp $NEW .new && mv .new $F || "
            "{ rc=$?; rm .new || exit 99; exit $rc; }", needs="mv",
            says=("Operation not permitted", "to a subdirectory of itself")),
    Program("mv, from another", "cp $NEW $W/new && mv $W/new $F || "
            "{ rc=$?; rm $W/new || exit 99; exit $rc; }", needs="mv"),
    Program("sed -i", "sed -i \"s|$OLD|$LINE|\" $F"),
    Program("sed -i.bak", "sed -i.bak \"s|$OLD|$LINE|\" $F", never=NO_BACKUP),
    Program("perl -i", "perl -i -pe 's|$ENV{OLD}$|$ENV{LINE}|' $F"),
    Program("perl open", "perl -e 'open(F, \">\", $ENV{F}) or die; print F "
            "\"$ENV{V}\\n\"; close(F) or die \"$!\"'"),
    Program("vim :wq", "vim -u NONE -es -c \"%s#$OLD#$LINE#\" -c wq $F",
            says=("", "")),
    Program("vim :w!", "vim -u NONE -es -c \"%s#$OLD#$LINE#\" -c 'w!' -c q "
            "$F", says=("", "")),
    Program("vim :wq, backupcopy=no", "vim -u NONE -es -c 'set backupcopy=no' "
            "-c \"%s#$OLD#$LINE#\" -c wq $F", says=("", "")),
    Program("ed", "ed -s $F <<< \",s|$OLD|$LINE|\nw\nq\"",
            says=("?", "?")),
    Program("python: open('w')", python("with open(f, \"w\") as o:\n"
            "    o.write(v)")),
    Program("python: os.replace", python(
            "t = \".\" + f + \".new\"\n"
            "with open(t, \"w\") as o:\n    o.write(v)\n"
            "try:\n    os.replace(t, f)\n"
            "except OSError:\n    os.unlink(t)\n    raise")),
    Program("python: tempfile and rename", python(
            "with tempfile.NamedTemporaryFile(\"w\", dir=\".\", "
            "delete=False) as o:\n"
            "    o.write(v)\n    o.flush()\n    os.fsync(o.fileno())\n"
            "try:\n    os.rename(o.name, f)\n"
            "except OSError:\n    os.unlink(o.name)\n    raise")),
    Program("ansible -m copy", ansible("copy", "src=$NEW dest=$PWD/$F"),
            again=True),
    Program("ansible -m template",
            "echo \"{{ lookup('env', 'V') }}\" > $W/t.j2; " +
            ansible("template", "src=$W/t.j2 dest=$PWD/$F"),
            needs="ansible", again=True),
    Program("ansible -m lineinfile",
            ansible("lineinfile",
                    "path=$PWD/$F regexp='$OLD' line='$LINE'"), again=True),
    Program("ansible -m blockinfile",
            ansible("blockinfile", "path=$PWD/$F block='$LINE'"),
            never=NO_WORD, again=True),
    Program("puppet file{}", "puppet apply --color=false --detailed-exitcodes "
            "--confdir=$W/conf --vardir=$W/var "
            "-e \"file { '$PWD/$F': content => file('$NEW') }\"; "
            "case $? in 0) echo SUCCESS;; 2) echo CHANGED;; *) exit 1;; esac",
            again=True),
    Program("tar -x", "cp $NEW $W/$F && tar -C $W -cf $W/t.tar $F && "
            "tar -xf $W/t.tar", needs="tar"),
    Program("rsync", "rsync -I $NEW $F"),
    Program("rsync --inplace", "rsync -I --inplace $NEW $F"),
    Program("flock", "flock $F bash -c 'cat $NEW > $F'"),
]

# What else is met, without a command of one line: the tests have them.
READERS = [Program(*row) for row in (
    ("grep -r, the whole tree", "grep"), ("less", "less"),
    ("tail -f log", "tail"), ("head -c", "head"), ("wc", "wc"),
    ("sha256sum", "sha256sum"), ("tar, the whole tree", "tar"),
    ("cp -a, the whole tree", "cp"), ("cp -aL, the whole tree", "cp"),
    ("rsync -a, the whole tree", "rsync"), ("find -newer", "find"),
    ("python: mmap, private", "python3"), ("watch -g", "watch"),
    ("flock, one at a time", "flock"),
    ("inotifywait, a file", "inotifywait"),
    ("inotifywait -r, the whole tree", "inotifywait"),
    ("inotify from C", "cc"), ("systemd path unit", "systemd-analyze"))]
