# SPDX-License-Identifier: Apache-2.0
"""Two sites with PowerStore and Dell's CSM replication."""
from sites import NS, Pair, Sites
from vendor_dell import Dell


class DellSites(Sites):
    type, double_class = "powerstore", Dell
    kind = "dellcsireplicationgroup"
    plural = "dellcsireplicationgroups"
    returned = "Unprotected"    # its array says Destination, and is stale

    def prepare(self):
        for site in self.clusters:
            self.double.snapshot_class(site)

    def new_pairs(self, *names, **options):
        """Of one replication group."""
        options = {"namespace": NS, "claims": names, "target_claims": True,
                   **options}
        group = self.double.group(**options)
        return [self.pair_of(group, name) for name in names]

    def pair_of(self, group, name):
        pair = Pair(self, name, group.handles["b", name])
        pair.group = group
        return pair

    def new_pair(self, name, native=True):
        return self.new_pairs(name)[0]

    def local_handle(self, pair, site):
        return pair.group.handles[site, pair.claim]

    # ---- faults that every vendor has, each in its way ----

    def hold_step_down(self):
        self.double.faults.add("array-error", site="a")

    def let_step_down(self):
        self.double.faults.clear("array-error")

    def fail_promotions(self):
        self.double.faults.add("grpc-error", site="a",
                               message="the array is busy")

    def mend_promotions(self):
        self.double.faults.clear("grpc-error")
