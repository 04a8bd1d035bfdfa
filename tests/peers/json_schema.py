"""Validates OCSF events on standard input with `ocsf-json-schema`, whose schemas were made from the
published OCSF release by others. Prints each kind of fault once, with the first line that has it.
"""

import json
import sys
from collections import Counter

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema


def main():
    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))
    validators, faults, first, lines = {}, Counter(), {}, 0
    for lines, line in enumerate(sys.stdin, 1):
        event = json.loads(line)
        profiles = tuple(event["metadata"].get("profiles", []))
        kind = (event["class_uid"], profiles)
        if kind not in validators:
            name = schemas.lookup_class_name_from_uid(class_uid=kind[0])
            schema = schemas.get_class_schema(class_name=name, profiles=list(profiles))
            validators[kind] = Draft202012Validator(schema)
        for error in validators[kind].iter_errors(event):
            place = ".".join("[]" if isinstance(part, int) else part for part in error.absolute_path)
            fault = f"{place}: {error.validator}"
            faults[fault] += 1
            first.setdefault(fault, f"line {lines}: {error.message[:300]}")
    for fault, count in faults.most_common():
        print(f"{count} × {fault}\n    {first[fault]}")
    print(f"{lines} events, {sum(faults.values())} faults")
    return 1 if faults or not lines else 0


if __name__ == "__main__":
    sys.exit(main())
