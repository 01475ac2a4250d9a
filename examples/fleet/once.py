#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""once.py DIRECTORY: for rsyslog's omprog, with confirmMessages="on".

Takes lines "HOST RECORD" and appends each record to DIRECTORY/HOST/YYYY-MM-DD.jsonl,
by the day (UTC) that the record itself names, unless it is there already: a record is
sent again when its confirmation was lost. No two records of mmfence's are alike, since
each has its time, process and number; so a line that equals one of the last WINDOW of
its file is the same one. Confirms what is in the file (which survives the end of
any process; for the end of the machine see --sync).
"""

import collections
import fcntl
import hashlib
import json
import os
import re
import sys

WINDOW = 8192  # lines; a sender repeats its window and its batch, some 1200
OPEN = 512  # files

HOST = re.compile(rb"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}$")
DAY = re.compile(r"^\d{4}-\d\d-\d\d$")
SYNC = "--sync" in sys.argv


def digest(line):
    return hashlib.blake2b(line, digest_size=16).digest()


class Day:
    """One file, and what is at its end."""

    def __init__(self, path):
        os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        self.seen = collections.OrderedDict()
        whole = 0
        with open(path, "rb") as before:
            for line in before:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                self.remember(digest(line[:-1]))
        # What was cut short was not confirmed, and comes again.
        os.ftruncate(self.file, whole)
        self.size = whole

    def remember(self, key):
        self.seen[key] = True
        if len(self.seen) > WINDOW:
            self.seen.popitem(last=False)

    def add(self, line):
        key = digest(line)
        if key in self.seen:
            return
        whole = line + b"\n"
        try:
            if os.write(self.file, whole) != len(whole):
                raise OSError("no room")
            if SYNC:
                os.fdatasync(self.file)
        except OSError:
            os.ftruncate(self.file, self.size)
            raise
        self.size += len(whole)
        self.remember(key)

    def close(self):
        os.close(self.file)


def day_of(record):
    """Of what is no record of ours, none."""
    try:
        day = json.loads(record)["@timestamp"][:10]
        return day if DAY.match(day) else None
    except (ValueError, KeyError, TypeError):
        return None


def main():
    root = sys.argv[1]
    os.makedirs(root, mode=0o750, exist_ok=True)
    # The one before this may still be at its last line.
    lock = os.open(os.path.join(root, ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    days = collections.OrderedDict()
    out = sys.stdout.buffer
    out.write(b"OK\n")
    out.flush()
    for message in sys.stdin.buffer:
        host, _, line = message.rstrip(b"\n").partition(b" ")
        day = day_of(line) if HOST.match(host) else None
        name = os.path.join(root, host.decode() if day else "strange", (day or "lines") + ".jsonl")
        try:
            if name not in days:
                days[name] = Day(name)
            days.move_to_end(name)
            days[name].add(line)
            out.write(b"OK\n")
        except OSError as error:
            out.write(b"Error: " + str(error).encode() + b"\n")
        out.flush()
        while len(days) > OPEN:
            days.popitem(last=False)[1].close()


main()
