# SPDX-License-Identifier: Apache-2.0
"""Two sites with ONTAP and Trident."""
import crds
from shell import until
from sites import NS, Pair, Sites
from vendor_trident import Trident


class TridentSites(Sites):
    type, double_class = "trident", Trident
    kind, plural = "tridentmirrorrelationship", "tridentmirrorrelationships"

    def prepare(self):
        for site in self.clusters:
            self.double.snapshot_class(site)

    def new_pair(self, name, native=True):
        """The claim at the source; with `native' the relationship, and by it
        the claim at the replica's site."""
        here = self.double.claim("a", NS, name)
        handle = f"{name}-vol"
        if native:
            self.double.tmr("a", NS, name, "promoted")
            self.double.replica("b", NS, name,
                                self.double.remote_name("a", NS, name))
            self.await_bound(name)
            handle = self.double.volume_of("b", NS, name)[1]
        pair = Pair(self, name, handle)
        pair.handles = {"a": here, "b": handle}
        return pair

    def await_bound(self, name):
        """Trident makes the volume of a claim that a TMR waits for."""
        path = crds.path("pvc", NS, name)
        until(lambda: self.clusters["b"].request("GET", path)[1]
              .get("status", {}).get("phase") == "Bound", f"{name} bound")

    def local_handle(self, pair, site):
        return pair.handles[site]

    # ---- faults that every vendor has, each in its way ----

    def hold_step_down(self):
        self.double.faults.add("hold-transfer", site="b")

    def let_step_down(self):
        self.double.faults.clear("hold-transfer")

    def fail_promotions(self):
        self.double.faults.add("promote-error", site="b",
                               message="the aggregate is full")

    def mend_promotions(self):
        self.double.faults.clear("promote-error")
