# SPDX-License-Identifier: Apache-2.0
"""A machine of one's own: a real systemd, in a root over that of this machine."""
import pathlib
import shlex
import shutil
import subprocess

import pytest

from shell import sh, until

BOOT = pathlib.Path(__file__).with_name("boot-systemd")
UNITS = "etc/systemd/system"
TARGETS = ("basic", "sysinit", "shutdown", "network-online")

# Programs that use a replication until /tmp/enough is there.
LOOPS = """
cd {}
for command in 'cat state' 'stat .' 'sync state' 'ls /uvr'; do
	while [ ! -e /tmp/enough ]; do
		$command >/dev/null 2>>/tmp/errors || echo "$command: $?" >>/tmp/errors
		echo >>"/tmp/${{command%% *}}"
	done &
done
"""


class Machine:
    def __init__(self, base):
        self.base = base
        self.process = None
        self.log = open(base / "log", "wb")
        for target in TARGETS:
            self.write(f"{UNITS}/{target}.target",
                       "[Unit]\nDefaultDependencies=no\n")

    def _place(self, path):
        place = self.base / "put" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    # What is to be there at its start.

    def write(self, path, text):
        self._place(path).write_text(text)

    def copy(self, source, path):
        shutil.copy(source, self._place(path))

    def boot(self):
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child",
             "--cgroup", "--ipc", "--uts", BOOT, self.base],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        until(self._is_up, "systemd is up", 20)
        if self.process.poll() is not None:
            pytest.skip("no systemd can be started here: "
                        + (self.base / "log").read_text()[-200:])

    def _init(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as f:
            return (f.read().split() or ["0"])[0]

    def _is_up(self):
        return self.process.poll() is not None or self._init() != "0" and \
            self.run("systemctl is-system-running").out == "running\n"

    def run(self, command, seconds=20):
        return sh(f"nsenter -a -t {self._init()} -r -w bash -c "
                  + shlex.quote(command), seconds=seconds)

    def status(self, pid):
        lines = self.run(f"cat /proc/{pid}/status").out.splitlines()
        return {k: v.split() for k, v in
                (line.split(":", 1) for line in lines)}

    def processes(self):
        """The daemon and its nudger."""
        main = self.run("systemctl show -P MainPID uvrfs").out.strip()
        return main, self.run(f"pgrep -P {main}").out.strip()

    # Whether its users notice something.

    def keep_busy(self, directory):
        self.run("rm -f /tmp/enough /tmp/errors; "
                 f"({LOOPS.format(directory)}) >/dev/null 2>&1 </dev/null")

    def goes_on(self):
        """Each of the programs has come round once more."""
        def counts():
            return [int(n) for n in self.run(
                "for n in cat stat sync ls; do stat -c %s /tmp/$n || echo 0; "
                "done").out.split()]
        before = counts()
        until(lambda: all(n > m for n, m in zip(counts(), before)),
              "cat, stat, sync and ls go on", 20)

    def complaints(self):
        """Of the programs, which end."""
        self.run("touch /tmp/enough")
        return self.run("cat /tmp/errors").out

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait(10)
        self.log.close()
