# SPDX-License-Identifier: Apache-2.0
"""RBD images as clients use them, through librbd, a connection per site."""
import contextlib
import itertools

import rados
import rbd

from rig import POOL
from shell import FACTOR, until

SIZE = 16 << 20
SNAPSHOT = rbd.RBD_MIRROR_IMAGE_MODE_SNAPSHOT
JOURNAL = rbd.RBD_MIRROR_IMAGE_MODE_JOURNAL


class Images:
    def __init__(self, rig):
        self.rig = rig
        self.numbers = itertools.count(1)

    @contextlib.contextmanager
    def pool(self, site, namespace=""):
        with rados.Rados(conffile=str(self.rig[site].conf), rados_id="admin",
                         conf={"client_mount_timeout": "10",
                               "rados_osd_op_timeout": "30"}) as cluster, \
                cluster.open_ioctx(POOL) as io:
            io.set_namespace(namespace)
            yield io

    @contextlib.contextmanager
    def open(self, site, name, namespace="", **options):
        with self.pool(site, namespace) as io, \
                rbd.Image(io, name, **options) as image:
            yield image

    @contextlib.contextmanager
    def held(self, site, name):
        """Locked, as by another uvrfs that is changing it."""
        with self.open(site, name, read_only=True) as image:
            header = f"rbd_header.{image.id()}"
        with self.pool(site) as io:
            io.lock_exclusive(header, "uvrfs", "")
            yield
            io.unlock(header, "uvrfs", "")

    def make(self, site="site-a", mode=SNAPSHOT, size=SIZE, namespace=""):
        """A new image; mirrored, unless mode is None."""
        name = f"i{next(self.numbers)}"
        spec = f"{POOL}/{namespace}/{name}" if namespace else f"{POOL}/{name}"
        self.rig[site].rbd("create", "--size", f"{size >> 20}M",
                           "--object-size", "1M", spec)
        if mode is not None:
            with self.open(site, name, namespace) as image:
                image.mirror_image_enable(mode)
        return name

    def write(self, site, name, data, offset=0, namespace=""):
        with self.open(site, name, namespace) as image:
            image.write(data, offset)

    def read(self, site, name, namespace=""):
        with self.open(site, name, namespace, read_only=True) as image:
            return bytes(image.read(0, image.size()))

    def snapshot(self, site, name):
        with self.open(site, name) as image:
            return image.mirror_image_create_snapshot()

    def snapshots(self, site, name):
        """The mirror snapshots, oldest first."""
        with self.open(site, name, read_only=True) as image:
            return [dict(s["mirror"], id=s["id"])
                    for s in image.list_snaps() if s.get("mirror")]

    def is_primary(self, site, name, namespace=""):
        with self.open(site, name, namespace, read_only=True) as image:
            return image.mirror_image_get_info()["primary"]

    def primaries(self, name, namespace=""):
        return [site for site in self.rig.sites
                if self.exists(site, name, namespace) and
                self.is_primary(site, name, namespace)]

    def exists(self, site, name, namespace=""):
        try:
            with self.open(site, name, namespace, read_only=True):
                return True
        except rbd.ImageNotFound:
            return False

    def demote(self, site, name):
        with self.open(site, name) as image:
            image.mirror_image_demote()

    def promote(self, site, name, force=False):
        """Promotes it as soon as rbd-mirror lets go of it."""
        def tried():
            try:
                image.mirror_image_promote(force)
                return True
            except (rbd.ImageBusy, rbd.ReadOnlyImage):
                return False
        with self.open(site, name) as image:
            until(tried, f"{name} is promoted", 60 * FACTOR)

    def await_same(self, name, namespace="", seconds=60):
        """Waits until both sites hold the same bytes, and returns them."""
        def check():
            if not all(self.exists(s, name, namespace)
                       for s in self.rig.sites):
                return None
            one, two = (self.read(s, name, namespace)
                        for s in self.rig.sites)
            return one if one == two else None
        return until(check, f"{name} is the same at both", seconds * FACTOR)
