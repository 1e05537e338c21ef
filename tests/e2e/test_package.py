# SPDX-License-Identifier: Apache-2.0
"""The Debian package: built, and lived with under a systemd of our own."""
import os
import re
import shutil

import pytest

from shell import sh, until
from uvr import KUBECONFIG, ROOT, manifest

# What README says under "Install it": build, install, edit, start.
BUILD, INSTALL, EDIT, START = re.search(
    r"^## Install it\n\n```\n(.*?)^```$", (ROOT / "README.md").read_text(),
    re.M | re.S)[1].splitlines()
# Who edits.
EDITOR = "#!/bin/sh\nsed -i 's/^#site: .*/site: here/' \"$1\"\n"

DPKG = "DEBIAN_FRONTEND=noninteractive dpkg "
ID = "guarded/r"

pytestmark = [
    pytest.mark.robot, pytest.mark.limit(180),
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("lintian"),
                       reason="not root, or no lintian")]


@pytest.fixture(scope="module")
def deb(tmp_path_factory):
    into = tmp_path_factory.mktemp("package")
    done = sh(f"{ROOT}/{BUILD.split()[0]} {into}", seconds=300)
    assert done.rc == 0, done
    return into / os.path.basename(done.out.splitlines()[-1])


@pytest.fixture(scope="module")
def newer(deb):
    """The same with a higher version."""
    place = deb.with_name("newer.deb")
    done = sh(f"dpkg-deb -R {deb} newer && "
              "sed -i 's/^Version: .*/&.1/' newer/DEBIAN/control && "
              f"dpkg-deb -b -Znone newer {place}", cwd=deb.parent)
    assert done.rc == 0, done
    return place


def test_what_it_needs_is_told_to_others_than_root(tmp_path):
    """As a command."""
    for name, text in {"apt-get": 'echo "$@"; [ $1 = install ] || head -n 1 debian/control',
                       "dpkg-checkbuilddeps": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    for part in [tmp_path, *tmp_path.parents][:3]:
        part.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = sh("setpriv --reuid=65534 --clear-groups "
              f"{ROOT}/{BUILD.split()[0]} /tmp", env=env)
    assert done.rc == 1, done
    first, typed = done.err.split("\n", 1)
    assert "as root" in first
    done = sh(typed, env={**env, "TMPDIR": str(tmp_path)})
    assert done.out == "install dpkg-dev\nbuild-dep ./\nSource: uvrfs\n", done


@pytest.fixture(scope="module")
def machine(empty_machine, deb, newer):
    made = empty_machine
    made.copy(deb, f"checkout/build/{deb.name}")
    made.write("usr/local/bin/editor", EDITOR)
    made.copy(newer, "debs/2.deb")
    made.boot()
    # A container's, that keep packages from starting anything, or manuals out.
    made.run("rm -f /usr/sbin/policy-rc.d /etc/dpkg/dpkg.cfg.d/*")
    return made


def must(machine, command, seconds=60):
    done = machine.run(command, seconds)
    assert done.rc == 0, done
    return done.out


def mounts(machine, place):
    return must(machine, "grep ' - fuse.uvrfs ' /proc/self/mountinfo | "
                         f"grep -c ' {place} ' || true").strip()


def test_lintian(deb):
    done = sh(f"lintian --allow-root --fail-on error,warning {deb}", seconds=60)
    assert done.rc == 0, done.out + done.err


def with_what_they_need(packages):
    """As apt would install them, one step deep."""
    out = sh(f"apt-cache depends --important {packages}").out
    return {*packages.split(), *re.findall(r"Depends: (\S+)", out)}


def test_the_image_has_as_much(deb):
    """mount/Containerfile installs what the package asks for."""
    text = (ROOT / "mount/Containerfile").read_text().replace("\\\n", "")
    build, runs = re.findall(r"--no-install-recommends ([^&\n]*)", text)
    field = sh(f"dpkg-deb -f {deb} Depends").out
    # But for what makes users, which an image has no need of.
    needs = {each.split()[0] for each in field.split(", ") if "|" not in each}
    assert len(needs) > 6 and not needs - with_what_they_need(runs)
    control = (ROOT / "mount/debian/control").read_text()
    needs = set(re.findall(r"^ (lib[\w-]+-dev|meson|pkg-config)", control,
                           re.M))
    assert len(needs) > 6 and not needs - with_what_they_need(build)


def test_installed(machine):
    """The site can be configured before anything is bound to one."""
    must(machine, f"cd /checkout && {INSTALL}")
    assert must(machine, "systemctl show -P ActiveState -P UnitFileState uvrfs"
                ) == "inactive\ndisabled\n"
    assert must(machine, "ls /var/lib/uvrfs 2>/dev/null || true") == ""
    assert must(machine, "getent passwd uvrfs").split(":")[5] == "/var/lib/uvrfs"
    assert must(machine, "dpkg-query -W -f '${Version}' uvrfs").startswith(
        must(machine, "uvrfs --version").split()[1] + "-")
    done = machine.run("systemd-analyze verify uvrfs.service")
    assert (done.rc, done.out, done.err) == (0, "", ""), done
    for page in "8 uvrfs", "7 uvrfs", "8 mount.uvrfs":
        must(machine, f"man -w {page}")
    # By the name that the manuals have.
    must(machine, "grep '^### SplitBrain' /usr/share/doc/uvrfs/runbooks.md")
    assert must(machine, "find /usr/share/doc/uvrfs/examples -name '*.gz'") == ""
    must(machine, "test -e /usr/share/doc/uvrfs/examples/kubernetes/uvrfs.yaml")


def test_the_configuration(machine):
    """As it is, and with all that it shows."""
    path = "/etc/uvrfs/uvrfs.yaml"
    assert must(machine, "uvrfs --check-config") == "ok\n"
    must(machine, "for site in dr prod; do install -g uvrfs -m 0640 /dev/stdin "
                  "/etc/uvrfs/$site.kubeconfig <<'END' || exit; done\n"
                  f"{KUBECONFIG}END")
    assert must(machine, f"sed -E 's/^#([^ ]|  )/\\1/; /^store: .*local/d' "
                f"{path} > /tmp/all.yaml && uvrfs -c /tmp/all.yaml "
                "--check-config") == "ok\n"
    assert len(must(machine, "grep -vE '^#|^$' /tmp/all.yaml").split()) > 20
    must(machine, "rm /etc/uvrfs/*.kubeconfig")
    assert path in must(machine, "dpkg-query -W -f '${Conffiles}' uvrfs")


def test_the_samples(machine):
    """What README tells to type for the tutorials."""
    text = (ROOT / "README.md").read_text()
    typed = re.search(r"^The package has no quickstart.*?^```\n(.*?)^```$", text,
                      re.M | re.S)[1]
    end = re.search(r"^`(fusermount3 .*?)` ends it", text, re.M)[1]
    must(machine, f"set -e\n{typed}\ncd /; timeout 30 sync $UVR_ROOT/*/*/state; "
                  "[ $(cat $UVR_ROOT/*/*/state | grep -c replica) = 3 ]; "
                  "until grep -q ^allowed $UVR_ROOT/web/shop-images/plan/promoting"
                  "; do sleep .1; done; "
                  "head -n 1 $SIM/dr-cluster/web/shop-images-replica")
    until(lambda: machine.run(end).rc == 0, "it is busy for a moment only")
    until(lambda: machine.run("pgrep -x uvrfs").out == "", "it has ended")


def test_the_mount_point(machine):
    """Nobody takes the empty directory for the mount."""
    assert must(machine, "stat -c '%U %a' /uvr") == "root 555\n"
    if machine.run("mkdir /probe && chattr +i /probe").rc == 0:
        done = machine.run("mkdir -p /uvr/guarded/r")
        assert "not permitted" in done.err, done


def test_started(machine):
    must(machine, f"chmod +x /usr/local/bin/editor && {EDIT}")
    assert must(machine, "grep ^site /etc/uvrfs/uvrfs.yaml") == "site: here\n"
    must(machine, START)
    assert must(machine, "cat /uvr/.uvrfs/health") == "ok\n"
    assert mounts(machine, "/uvr") == "1"
    must(machine, f"mkdir -p /uvr/{ID} && cat > /uvr/{ID}/spec.yaml <<'END'\n"
                  f"{manifest('r', 'guarded')}\nEND")
    must(machine, f"timeout 30 sync /uvr/{ID}/state")


@pytest.mark.parametrize("typed, came", [
    ("gua\tr\t-n", ["guarded/r", "-n"]),
    ("--for\tg\t", ["--force", "guarded/"]),
    ("--timeout g\t", ["--timeout", "g"]),
    ("nosuch/\t", ["nosuch/"]),
])
def test_completion(machine, typed, came):
    """By the TAB key, in a bash at a terminal."""
    keys = (". /usr/share/bash-completion/completions/uvr-failover\n"
            "uvr-failover() { printf '%s\\n' \"$@\" > /tmp/came; }\n"
            f"uvr-failover {typed}\nexit\n")
    must(machine, f"script -qec 'bash --norc -i' /dev/null <<'END'\n{keys}END")
    assert must(machine, "cat /tmp/came").split() == came


def test_upgraded_while_in_use(machine):
    machine.keep_busy(f"/uvr/{ID}")
    machine.goes_on()
    device = must(machine, "stat -c %d /uvr")
    before, _ = machine.processes()
    must(machine, DPKG + "-i /debs/2.deb")
    assert machine.processes()[0] not in ("0", before)
    assert must(machine, "systemctl is-active uvrfs") == "active\n"
    machine.goes_on()
    assert machine.complaints() == ""
    assert must(machine, "stat -c %d /uvr") == device, "another mount"


def test_mounted_by_fstab(machine):
    must(machine, "mkdir /mnt/uvr && echo 'store: {local: {path: /var/lib/more}}'"
                  " > /etc/uvrfs/more.yaml && echo '/etc/uvrfs/more.yaml /mnt/uvr "
                  "uvrfs defaults,ro,_netdev,nofail,user 0 0' >> /etc/fstab")
    for command in "mount /mnt/uvr", "mount -a -t uvrfs":
        must(machine, command)
        assert mounts(machine, "/mnt/uvr") == "1"
    assert must(machine, "findmnt -no SOURCE /mnt/uvr") == "/etc/uvrfs/more.yaml\n"
    assert "Read-only" in machine.run("mkdir /mnt/uvr/x").err
    must(machine, "umount /mnt/uvr")
    assert mounts(machine, "/mnt/uvr") == "0"


def test_mounted_by_systemd(machine):
    """The same line, as at its start."""
    for command, there in ("start", "1"), ("stop", "0"):
        must(machine, f"systemctl daemon-reload && systemctl {command} "
                      "mnt-uvr.mount")
        assert mounts(machine, "/mnt/uvr") == there
    assert must(machine, "systemctl is-failed mnt-uvr.mount || true"
                ) == "inactive\n"


def test_mounted_by_hand(machine):
    mount = "mount -t uvrfs /etc/uvrfs/more.yaml /mnt/uvr"
    must(machine, mount)
    must(machine, "mkdir /mnt/uvr/x")
    done = machine.run(mount)
    assert done.rc != 0 and "mounted at /mnt/uvr already" in done.err
    assert machine.run("mount -t uvrfs /nosuch /mnt/uvr").rc != 0


def test_removed(machine):
    """Not while one that mount(8) has mounted is in use."""
    done = machine.run("cd /mnt/uvr && " + DPKG + "-r uvrfs")
    assert done.rc != 0 and "busy" in done.err, done
    assert mounts(machine, "/mnt/uvr") == "1"
    must(machine, DPKG + "-r uvrfs")
    assert must(machine, "grep -c uvrfs /proc/self/mountinfo || true") == "0\n"
    until(lambda: machine.run("pgrep -x uvrfs").out == "", "it has ended")
    must(machine, "! test -e /uvr && test -e /etc/uvrfs/uvrfs.yaml "
                  "&& test -e /var/lib/uvrfs/replications/guarded/r.yaml")


def test_purged(machine):
    must(machine, "rm /etc/uvrfs/more.yaml; " + DPKG + "-P uvrfs")
    must(machine, "! test -e /etc/uvrfs")
    assert must(machine, "ls /var/lib/uvrfs") == "audit\n"


def test_purged_where_the_state_is_elsewhere(machine):
    must(machine, DPKG + "-i /debs/2.deb")
    must(machine, "mv /var/lib/uvrfs /srv/state && touch /srv/state/more && "
                  "ln -s /srv/state /var/lib/uvrfs")
    must(machine, DPKG + "-P uvrfs")
    assert must(machine, "ls /srv/state") == "audit\n"
    assert must(machine, "readlink /var/lib/uvrfs") == "/srv/state\n"
