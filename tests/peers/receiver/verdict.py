"""Whether a receiver has all that it should, and what it got twice.

usage: verdict.py JOURNAL EXPECTED.ndjson
"""

import json
import sys


def main():
    journal, expected = sys.argv[1:]
    with open(journal, encoding="utf-8") as lines:
        taken = [json.loads(line) for line in lines]

    bodies, repeats, before = {}, 0, None
    for request in taken:
        batch, body = request["batch"], request["body"]
        if batch in bodies:
            repeats += 1
            if batch != before:
                sys.exit(f"error: {batch} came again after {before}: more than one batch was repeated")
            if body != bodies[batch]:
                sys.exit(f"error: {batch} was repeated with other bytes")
        bodies[batch] = body
        before = batch

    found = sorted(line for body in bodies.values() for line in body.splitlines())
    with open(expected, encoding="utf-8") as lines:
        wanted = sorted(lines.read().splitlines())
    if found != wanted:
        missing, more = set(wanted) - set(found), set(found) - set(wanted)
        sys.exit(
            f"error: {len(found)} events instead of {len(wanted)}: "
            f"{len(missing)} missing, {len(more)} of others"
        )
    print(
        f"{len(found)} events in {len(bodies)} parts, each event once; "
        f"{repeats} parts came again, with the same bytes, one after the other"
    )


main()
