# SPDX-License-Identifier: Apache-2.0
"""Files and commands as people use them, none of which can hang the suite."""
import collections
import errno
import os
import pathlib
import signal
import subprocess
import time

FACTOR = float(os.environ.get("UVRFS_TIMEOUT_FACTOR", "1"))

Result = collections.namedtuple("Result", "rc out err")


def until(check, what, seconds=10.0):
    """Looks again every 10 ms until check() gives something true."""
    end = time.monotonic() + seconds * FACTOR
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.01)


def freeze(pid):
    """Stops a process; when this returns, none of its threads runs any more."""
    def is_stopped():
        try:
            states = [at.read_text().rpartition(") ")[2][0] for at in
                      pathlib.Path(f"/proc/{pid}/task").glob("*/stat")]
        except OSError:         # a thread that has just ended
            return False
        return set(states) == {"T"}
    os.kill(pid, signal.SIGSTOP)
    until(is_stopped, "it is stopped")


def never(check, what, seconds=0.4):
    """Fails when check() gives something true within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not check(), f"not to be: {what}"
        time.sleep(0.01)


def sh(command, cwd="/", seconds=20, env=None, binary=False, **more):
    """Runs a bash command as users type it; rc 124 when it takes too long."""
    done = subprocess.run(
        ["timeout", "-k", "2", str(seconds * FACTOR), "bash", "-c", command],
        cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True,
        stdin=subprocess.DEVNULL, **more)
    out, err = done.stdout, done.stderr
    if not binary:
        out, err = out.decode(), err.decode()
    return Result(done.returncode, out, err)


def background(command, cwd="/", seconds=60):
    """Starts a bash command that can't outlive its time."""
    process = subprocess.Popen(
        ["timeout", "-k", "2", str(seconds * FACTOR), "bash", "-c", command],
        cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    return process


def get(path):
    """The content of a file by one open, as cat reads it."""
    with open(path, "rb") as f:
        return f.read().decode()


def put(path, text, flags=os.O_WRONLY | os.O_TRUNC):
    """Writes by open, one write and close; the errno of the first refusal."""
    data = text if isinstance(text, bytes) else text.encode()
    code = 0
    try:
        fd = os.open(path, flags)
    except OSError as e:
        return e.errno
    try:
        os.write(fd, data)
    except OSError as e:
        code = e.errno
    try:
        os.close(fd)
    except OSError as e:
        code = code or e.errno
    return code


def name_of(code):
    return "ok" if not code else errno.errorcode[code]


def call(function, *args):
    """The errno of a system call, 0 when it works."""
    try:
        function(*args)
    except OSError as e:
        return e.errno
    return 0


def is_dead(path):
    """True when the mount has no daemon any more.  The kernel answers for that
    what it can: this it can't."""
    return call(os.listdir, path) == errno.ENOTCONN
