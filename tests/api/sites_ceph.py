# SPDX-License-Identifier: Apache-2.0
"""Two sites with Ceph, ceph-csi and csi-addons."""
from sites import NS, Pair, Sites
from vendor_ceph import Ceph


class CephSites(Sites):
    type, double_class = "ceph", Ceph
    kind, plural = "volumereplication", "volumereplications"

    def prepare(self):
        for site in self.clusters:
            self.double.replication_class(site)
            self.double.snapshot_class(site)

    def new_pair(self, name, native=True):
        """The claim at both; with `native' VolumeReplications, too."""
        handle = self.double.claim("a", NS, name)
        self.double.claim("b", NS, name, handle=handle)
        if native:
            self.double.vr("a", NS, name, "primary")
            self.double.vr("b", NS, name, "secondary")
        return Pair(self, name, handle)

    # ---- faults that every vendor has, each in its way ----

    def hold_step_down(self):
        self.double.faults.add("hold-rpc", site="a")

    def let_step_down(self):
        self.double.faults.clear("hold-rpc")

    def fail_promotions(self):
        self.double.faults.add("promote-error", site="b",
                               message="the image is locked")

    def mend_promotions(self):
        self.double.faults.clear("promote-error")
