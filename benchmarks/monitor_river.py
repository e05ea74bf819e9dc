"""river's detectors of drift on series of counts, in an environment that has river: JSON in, JSON out."""

import json
import sys

from river import drift


def by_text(make, counts):
    """A detector that hears a nought or a one for each text, the negative ones of an hour spread among the others."""
    detector, found = make(), []
    for step, bad, count in counts:
        changed = False
        for place in range(count):
            value = (place + 1) * bad // count - place * bad // count
            detector.update(value)
            changed = changed or detector.drift_detected
        if changed:
            found.append((step, "either"))
            detector = make()
    return found


def by_hour(make, counts):
    """A detector that hears the share of each hour."""
    detector, found = make(), []
    for step, bad, count in counts:
        detector.update(bad / count)
        if detector.drift_detected:
            found.append((step, "either"))
            detector = make()
    return found


MADE = {
    "river ADWIN, by text": (by_text, drift.ADWIN),
    "river ADWIN, by hour": (by_hour, drift.ADWIN),
    "river PageHinkley, by text": (by_text, drift.PageHinkley),
    "river KSWIN, by hour": (by_hour, lambda: drift.KSWIN(seed=0)),
    "river DDM, by text": (by_text, drift.binary.DDM),
}

if __name__ == "__main__":
    series = json.load(sys.stdin)
    json.dump({name: [run(make, counts) for counts in series] for name, (run, make) in MADE.items()}, sys.stdout)
