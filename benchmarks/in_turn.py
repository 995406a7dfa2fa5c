"""What the programs have in common: they measure in turn, so that a machine that slows down slows all alike."""

import json
import statistics
import time

from tqdm import tqdm

from tsd_tf.contract import files


def milliseconds(function, *arguments, **named):
    """A function without arguments that calls `function` with these, and returns how long that took."""

    def timed():
        began = time.perf_counter()
        function(*arguments, **named)
        return 1e3 * (time.perf_counter() - began)

    return timed


def measure(ways, rounds, warm_up=1):
    """{name: what each round of it gave}.

    Args:
        ways: {name: function without arguments that returns a number}, called in this order.
        rounds: how often each is called.
        warm_up: rounds before, which do not count.
    """
    found = {name: [] for name in ways}
    for number in tqdm(range(-warm_up, rounds), desc="measuring", unit="round", leave=False):
        for name, way in ways.items():
            value = way()
            if number >= 0:
                found[name].append(value)
    return found


def ratio(found, name, to):
    """The median over the rounds of the ratio of two ways."""
    return statistics.median(one / other for one, other in zip(found[name], found[to], strict=True))


def write(path, found):
    """Writes what was found as JSON, and prints it."""
    files.write_json(path, found)
    print(json.dumps(found, indent=2))
