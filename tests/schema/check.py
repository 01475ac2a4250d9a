#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py SCHEMA ECS PAGE [LOG...]: A1, for every record that the tests made.

Each record is validated, by the quick validator; the first of each shape by the
reference implementation too, so that a keyword which the quick one does not know
counts all the same. Then records are damaged in every place, and each damage must
be found. Lines begin with PASS or FAIL.
"""

import copy
import json
import sys

import fastjsonschema
import jsonschema

failed = False


def say(ok, what, detail=""):
    global failed
    failed |= not ok
    print("PASS" if ok else "FAIL", what + (": " + detail if detail and not ok else ""))


def shape(value):
    """What of a record decides which parts of the schema apply."""
    if isinstance(value, dict):
        return tuple((key, shape(value[key])) for key in sorted(value))
    if isinstance(value, list):
        return tuple(sorted({shape(item) for item in value}, key=str)) or ()
    return type(value).__name__


def action(record):
    try:
        return record["event"]["action"]
    except (KeyError, TypeError):
        return None


def forged(record):
    """Written by a test itself, which says so in the program's name."""
    return isinstance(record, dict) and record.get("process", {}).get("name") == "forged"


def read(paths):
    """The library's records; lines that tests cut short on purpose are no JSON, and not meant."""
    for path in paths:
        with open(path, "rb") as log:
            for line in log:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if not forged(record):
                    yield record, line


def compile_quick(schema):
    """A validator of a whole record that goes straight to its event's part."""
    events = schema["properties"]["event"]["properties"]["action"]["enum"]
    parts = {event: fastjsonschema.compile({"$defs": schema["$defs"], "$ref": "#/$defs/" + event})
             for event in events}

    def validate(record):
        if action(record) not in parts:
            raise fastjsonschema.JsonSchemaException("no event " + str(action(record)))
        parts[action(record)](record)

    return validate


def validate_all(schema, paths):
    quick = compile_quick(schema)
    reference = jsonschema.Draft202012Validator(schema)
    samples, count, bad = {}, 0, []
    for record, line in read(paths):
        count += 1
        try:
            quick(record)
            key = (action(record), shape(record))
            if key not in samples:
                reference.validate(record)
                samples[key] = record
        except (fastjsonschema.JsonSchemaException, jsonschema.ValidationError) as error:
            bad.append(f"{str(error).splitlines()[0]}\n\t{line[:2000]!r}")
    say(not bad, f"schema: {count} records of {len(samples)} shapes", "\n".join(bad[:5]))
    say(count > 0, "schema: there were records")
    return samples


def members(value, path=()):
    if isinstance(value, dict):
        for key, member in value.items():
            yield path + (key,), member
            yield from members(member, path + (key,))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield path + (index,), item
            yield from members(item, path + (index,))


def at(record, path):
    for part in path:
        record = record[part]
    return record


FREE = ("mmfence", "raw")  # its members are named after other fields


def damages(record):
    """The record with one thing wrong, and what it is."""
    objects = [()] + [path for path, value in members(record) if isinstance(value, dict)]
    for path in objects:
        if path != FREE:
            broken = copy.deepcopy(record)
            at(broken, path)["unheard_of"] = "x"
            yield broken, f"a field {'.'.join(map(str, path))}.unheard_of"
    for path, value in members(record):
        broken = copy.deepcopy(record)
        wrong = [] if not isinstance(value, list) else "x"
        at(broken, path[:-1])[path[-1]] = wrong if isinstance(value, list) else [["x"]]
        yield broken, f"another type of {'.'.join(map(str, path))}"


REQUIRED = ("@timestamp ecs ecs.version event event.kind event.action event.category event.type "
            "event.outcome event.sequence process process.pid process.thread process.name").split()


def without(record):
    for name in REQUIRED:
        path = name.split(".")
        broken = copy.deepcopy(record)
        del at(broken, path[:-1])[path[-1]]
        yield broken, "no " + name


def damaged_are_found(schema, samples):
    reference = jsonschema.Draft202012Validator(schema)
    seen, tried, missed = set(), 0, []
    for (name, _), record in samples.items():
        if name in seen:
            continue
        seen.add(name)
        for broken, what in [*damages(record), *without(record)]:
            tried += 1
            if reference.is_valid(broken):
                missed.append(f"{name} with {what}")
    say(not missed and tried > 0, f"schema: {tried} damaged records are refused", "; ".join(missed[:5]))


def leaves(schema, node, prefix=""):
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    if "properties" not in node:
        yield prefix, node
        return
    for name, member in node["properties"].items():
        yield from leaves(schema, member, f"{prefix}.{name}" if prefix else name)


def type_of(node):
    value = node.get("const", node.get("enum", [None])[0])
    if isinstance(value, list):
        return "strings"
    kind = node.get("type") or {str: "string", bool: "boolean", int: "integer"}[type(value)]
    return {"integer": "number", "array": "strings"}.get(kind, kind)


def read_ecs(path):
    fields, allowed = {}, {}
    with open(path, encoding="utf-8") as table:
        for line in table:
            if line.startswith("#"):
                continue
            name, value = line.rstrip("\n").split("\t")
            if name.startswith("allowed "):
                allowed[name[8:]] = value.split()
            else:
                fields[name] = value
    return fields, allowed


def names_are_ecs(schema, path):
    fields, allowed = read_ecs(path)
    wrong, names = [], set()
    for event in schema["properties"]["event"]["properties"]["action"]["enum"]:
        for name, node in leaves(schema, schema["$defs"][event]):
            if name.startswith("mmfence."):
                continue
            names.add(name)
            values = node.get("enum") or node.get("const")
            if name not in fields:
                wrong.append(f"{event}: ECS has no {name}")
            elif type_of(node) not in (fields[name], fields[name].rstrip("s")):
                wrong.append(f"{event}: {name} is {type_of(node)}, in ECS {fields[name]}")
            for value in (values if isinstance(values, list) else [values]):
                if name in allowed and value not in allowed[name]:
                    wrong.append(f"{event}: ECS has no {name} {value}")
    say(not wrong, f"schema: {len(names)} names and their types are ECS's", "; ".join(wrong))


def described(schema, path):
    """mmfence-events(5) has the fields of all records in a list of its own."""
    with open(path, encoding="utf-8") as page:
        part = page.read().split(".Sh FIELDS OF EVERY RECORD")[1].split("\n.Sh ")[0]
    there = {line.split()[2] for line in part.splitlines() if line.startswith(".It Va ")}
    common = None
    for event in schema["properties"]["event"]["properties"]["action"]["enum"]:
        names = {name for name, _ in leaves(schema, schema["$defs"][event])}
        common = names if common is None else common & names
    say(there == common, "schema: mmfence-events(5) names the same fields of all records",
        str(there ^ common))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    names_are_ecs(schema, sys.argv[2])
    described(schema, sys.argv[3])
    samples = validate_all(schema, sys.argv[4:])
    damaged_are_found(schema, samples)
    sys.exit(failed)


main()
