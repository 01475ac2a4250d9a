# SPDX-License-Identifier: MIT
"""Which tests reach a line of the library? Each is run once with a build that marks the code it runs.

The answer is kept beside the copy, in a file for each state of shim/: a line for each test. What a
helper does after it has entered another root or a sandbox that forbids opening files is not seen.
"""

import collections
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import time

SUITES = ("unit", "preload", "faults")
# What is built with marks, and the letter of its file.
BINARIES = {"tests/unit": "u", "lib/x86_64-linux-gnu/libmmfence.so": "l", "bin/mmfence": "c",
            "faults/libmmfence.so": "f"}
# Without optimization each statement is a piece of code.
FLAGS = "-O0 -g -fsanitize-coverage=trace-pc"
SIZE = 0x400000  # as in cover.c
WORKERS = 3


def tests_of(build, suite):
    listed = subprocess.run([build / "tests" / suite, "--list"], capture_output=True, text=True, check=True).stdout
    group = None
    for line in listed.splitlines():
        if head := re.match(r"(\w+): \d+ tests?", line):
            group = head[1]
        elif name := re.match(r"\W+(\w+)$", line):
            yield f"{suite} {group}/{name[1]}"


def lines_of(copy, binary):
    """The lines of each piece of code, by the address at which it sets its mark."""
    code = subprocess.run(["objdump", "-d", "-l", "--no-show-raw-insn", binary], capture_output=True, text=True)
    pieces, piece, line, starts, ends = collections.defaultdict(set), None, None, False, False
    for row in code.stdout.splitlines():
        if at := re.match(re.escape(str(copy)) + r"/(shim/.*\.c:\d+)", row):
            line = at[1]
        elif row.endswith(">:"):
            piece = line = None
        elif instruction := re.match(r" +([0-9a-f]+):\t", row):
            piece = int(instruction[1], 16) if starts else None if ends else piece
            ends = re.search(r"\t(jmp|ret)", row) is not None
            starts = "<__sanitizer_cov_trace_pc>" in row and "call" in row
            if line and starts:
                pieces[int(instruction[1], 16) + 5].add(line)  # where the call returns to
            elif line and piece:
                pieces[piece].add(line)
    return pieces


def build_marked(copy, make):
    made = copy / "marked"
    cover = made / "cover.o"
    made.mkdir(exist_ok=True)
    subprocess.run(["gcc", "-O2", "-fPIC", "-c", f'-DMARKS="{made}"', "-o", cover, copy / "tests/mutate/cover.c"], check=True)
    result = make("B=marked", f"CFLAGS={FLAGS}", f"LDFLAGS={cover}", *(f"marked/{binary}" for binary in BINARIES))
    if result.returncode:
        raise SystemExit("mutate: no build with marks:\n" + result.stderr[-2000:])
    return made


class Worker:
    """A build with files of marks of its own."""

    def __init__(self, made, whole, number):
        self.build, self.marks = made / f"build{number}", {}
        shutil.rmtree(self.build, ignore_errors=True)
        subprocess.run(["cp", "-al", whole, self.build], check=True)
        for binary, letter in BINARIES.items():
            name = made / f"{number}{letter}"
            name.write_bytes(bytes(SIZE))
            name.chmod(0o666)
            self.marks[binary] = name
            (self.build / binary).unlink()
            marked = (made / binary).read_bytes().replace(f"{made}/00".encode(), str(name).encode())
            (self.build / binary).write_bytes(marked)
            (self.build / binary).chmod(0o755)

    def reached(self, pieces):
        lines = collections.defaultdict(set)
        for binary, name in self.marks.items():
            marks = name.read_bytes()
            for mark in re.finditer(b"\1", marks):
                for line in pieces[binary].get(mark.start(), ()):
                    path, number = line.rsplit(":", 1)
                    lines[path].add(int(number))
            with open(name, "r+b") as file:
                file.write(bytes(SIZE))
        return {path: sorted(numbers) for path, numbers in lines.items()}


def map_tests(worker, run, pieces, tests, out):
    for test in tests:
        begin = time.monotonic()
        run(worker.build, *test.split())
        row = [test, round(time.monotonic() - begin, 2), worker.reached(pieces)]
        os.write(out, (json.dumps(row) + "\n").encode())


class Reach:
    def __init__(self, copy):
        digest = hashlib.sha256()
        for path in sorted((copy / "shim").glob("**/*.[chd]*")):
            digest.update(path.read_bytes())
        self.seconds = {}
        self.copy, self.file = copy, copy.parent / f"reach.{digest.hexdigest()[:12]}"
        self.file.touch()

    def rows(self):
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def learn(self, make, run):
        """Runs what was not run yet."""
        known = {row[0] for row in self.rows()}
        tests = [test for suite in SUITES for test in tests_of(self.copy / "whole", suite) if test not in known]
        if tests:
            print(f"{len(tests)} tests are run once, to learn what they reach", flush=True)
            made = build_marked(self.copy, make)
            pieces = {binary: lines_of(self.copy, made / binary) for binary in BINARIES}
            out = os.open(self.file, os.O_WRONLY | os.O_APPEND)
            workers = [multiprocessing.Process(target=map_tests, args=(
                Worker(made, self.copy / "whole", n), run, pieces, tests[n::WORKERS], out)) for n in range(WORKERS)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            os.close(out)
        self.index()

    def index(self):
        self.seconds, self.at = {}, collections.defaultdict(lambda: collections.defaultdict(list))
        for test, seconds, lines in self.rows():
            self.seconds[test] = seconds
            for path, numbers in lines.items():
                for number in numbers:
                    self.at[path][number].append(test)

    def tests(self, path, line):
        """Those that reach it. First of each group, then the next of each: the quickest of those that
        are about this file, that is, reach in it what few do."""
        about, rank, order = collections.Counter(), collections.Counter(), []
        for tests in self.at[path].values():
            for test in tests:
                about[test] += 1 / len(tests)
        price = {test: self.seconds[test] / about[test] for test in self.at[path][line]}
        for test in sorted(price, key=price.get):
            group = test.split("/")[0]
            order.append((rank[group], price[test], test))
            rank[group] += 1
        return [test for _, _, test in sorted(order)]
