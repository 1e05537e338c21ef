# SPDX-License-Identifier: Apache-2.0
""".uvrfs/metrics, or a controller's metrics.prom, read into samples."""
import re

from shell import get

PREFIX = "unified_replication_"
SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """As they are now."""

    def __init__(self, d=None, at=None):
        self.text = get(at or d / ".uvrfs/metrics")
        self.samples = []
        for line in self.text.splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.fullmatch(line).groups()
                assert name.startswith(PREFIX)
                self.samples.append((name[len(PREFIX):],
                                     dict(LABEL.findall(labels or "")),
                                     float(value)))

    def families(self):
        return set(re.findall(rf"^# TYPE {PREFIX}(\w+) ", self.text, re.M))

    def all(self, metric, **labels):
        return [(have, value) for name, have, value in self.samples
                if name == metric and labels.items() <= have.items()]

    def get(self, metric, **labels):
        found = self.all(metric, **labels)
        assert len(found) < 2, found
        return found[0][1] if found else None

    def of(self, r, metric, **labels):
        return self.get(metric, namespace=r.ns, name=r.name, **labels)
