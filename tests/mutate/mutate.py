#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mutate.py: would a test notice? Small changes are made to the library, one at a time.

	make mutate ARGS='--seed 7 --count 20 --folder snapshot'
	make mutate ARGS='--only shim/policy/glob.c:41:compare'

Each is built in a copy of the checkout and tested by the tests of unit, preload and faults that reach
its line (reach.py learns that once, in some ten minutes), until one fails or --seconds are over. What
fails without the change as well, or not a second time, does not count. Changes that make no difference
are listed in tests/mutate/equivalent, with the reason, and not drawn. Exit status 1 when one survived.
"""

import argparse
import ctypes
import fcntl
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import draw
import reach

ROOT = Path(__file__).resolve().parents[2]

ROOMS = sorted(path.name for path in (ROOT / "shim").iterdir() if path.is_dir() and path.name != "man")
MADE = {"unit": ["build/tests/unit"], "preload": ["all"], "faults": ["build/faults/libmmfence.so"]}


def say(text):
    print(text, flush=True)


def listed():
    """The changes that make no difference: file, operator and the line's text."""
    rows = set()
    for line in (ROOT / "tests/mutate/equivalent").read_text().splitlines():
        if line and not line.startswith("#"):
            path, operator, rest = line.split(" | ", 2)
            rows.add((path, operator, rest.rsplit(" | ", 1)[0].strip()))
    return rows


texts = {}  # of the sources, by name; edits that are made meanwhile are for the next time


def line_of(mutant):
    return texts[mutant.path].splitlines()[mutant.line - 1].strip()


def place_of(mutant):
    """The line, and the one before it where there are several of its kind."""
    lines = [line.strip() for line in texts[mutant.path].splitlines()]
    alone = lines.count(lines[mutant.line - 1]) == 1
    return " ".join(lines[mutant.line - 1 if alone else mutant.line - 2:mutant.line])


def all_mutants(folder, equivalent):
    for path in sorted(ROOT.glob(f"shim/{folder or '*'}/**/*.c")):
        if path.parts[len(ROOT.parts) + 1] == "cli" and not folder:
            continue  # the command is drawn only when it is named
        name = str(path.relative_to(ROOT))
        texts[name] = path.read_text()
        for mutant in draw.mutants(name, texts[name]):
            operator = mutant.name().rsplit(":", 1)[1]
            operators = {row[1] for row in equivalent if row[0] == name}
            if operator not in operators or (name, operator, place_of(mutant)) not in equivalent:
                yield mutant


def drawn(pool, seed):
    """Without end or repetition: first the kind by weight, then one of that kind."""
    chance, kinds = random.Random(seed), {}
    for mutant in pool:
        kinds.setdefault(mutant.operator, []).append(mutant)
    while kinds:
        names = sorted(kinds)
        kind = chance.choices(names, [draw.weights()[name] for name in names])[0]
        yield kinds[kind].pop(chance.randrange(len(kinds[kind])))
        if not kinds[kind]:
            del kinds[kind]


class Copy:
    """A copy of the checkout with a build of its own, and that build once more as it was."""

    def __init__(self, place):
        self.place, self.build, self.whole = place, place / "copy/build", place / "copy/whole"
        self.place.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.lock = open(place / "lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"mutate: {place} is in use")
        self.verdicts = {}  # whether a test passes without a change

    def make(self, *targets):
        # Warnings are nobody's: an unused variable is no reason not to try a change.
        # It looks at itself as the build in tests/sanitize does.
        command = ["make", "-s", "-j2", "BITS=64", "WARN=-w", "CC=gcc -DMMFENCE_TEST_TRAPS", *targets]
        return subprocess.run(command, cwd=self.place / "copy", stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def prepare(self):
        names = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT,
                               capture_output=True, check=True).stdout.decode().split("\0")
        names = {name for name in names if name and (ROOT / name).is_file()}
        copy = self.place / "copy"
        for old in copy.glob("**/*"):
            name = old.relative_to(copy)
            if name.parts[0] not in ("build", "whole", "marked") and old.is_file() and str(name) not in names:
                old.unlink()
        for name in names:
            source, target = ROOT / name, copy / name
            if not target.exists() or source.read_bytes() != target.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        result = self.make("check-build")
        if result.returncode:
            sys.exit("mutate: the copy cannot be built:\n" + result.stderr[-2000:])
        shutil.rmtree(self.whole, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", self.build, self.whole], check=True)
        self.reach = reach.Reach(copy)
        self.reach.learn(self.make, lambda build, suite, test: run(self, build, suite, [test]))

    def products(self, path):
        """What is made anew when this file changes."""
        objects = [f"{kind}/{path[:-2]}.o" for kind in ("obj64", "cli", "faults/obj")]
        return objects + ["faults/libmmfence.so", "lib/x86_64-linux-gnu/libmmfence.so", "bin/mmfence", "tests/unit"]

    def apply(self, mutant):
        text = texts[mutant.path]
        changed = text[:mutant.start] + mutant.text + text[mutant.end:]
        (self.place / "copy" / mutant.path).write_text(changed)
        return self.make(f"build/obj64/{mutant.path[:-2]}.o").returncode == 0

    def restore(self, mutant):
        (self.place / "copy" / mutant.path).write_text(texts[mutant.path])
        for product in self.products(mutant.path):
            if (self.whole / product).exists():
                shutil.copy2(self.whole / product, self.build / product)

    def same(self, mutant):
        """The compiler makes the same of it."""
        def code(place):
            name = place / f"obj64/{mutant.path[:-2]}.o"
            made = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", name], capture_output=True, text=True)
            data = subprocess.run(["objdump", "-s", "-j", ".rodata", "-j", ".data", "-j", ".rodata.str1.1",
                                   "-j", ".rodata.str1.8", name], capture_output=True, text=True)
            return made.stdout.split("\n", 3)[-1], data.stdout.split("\n", 3)[-1]
        return code(self.build) == code(self.whole)


def descendants(parent):
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            yield int(pid)


def reap():
    """What a killed suite leaves behind has become our child (PR_SET_CHILD_SUBREAPER)."""
    while left := list(descendants(os.getpid())):
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def environment(build):
    tmp = tempfile.mkdtemp(prefix="mmfence-mutate.")
    shm = tempfile.mkdtemp(prefix="mmfence-mutate.", dir="/dev/shm")
    os.chmod(tmp, 0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MMFENCE_", "MAKE"))}
    return kept | {"MMFENCE_BUILD": str(build), "MMFENCE_TMP": tmp, "MMFENCE_SHM": shm, "LC_ALL": "C"}


def run(copy, build, suite, tests):
    """The first test that fails; None when none does."""
    command = [build / "tests" / suite, "--jobs", "2", "--fail-fast", "--verbose=1", "--color=never",
               "--filter", f"@({'|'.join(tests)})"]
    env = environment(build)
    out = open(Path(env["MMFENCE_TMP"]) / "out", "w+", errors="replace")
    child = subprocess.Popen(command, cwd=copy.place / "copy", env=env, stdin=subprocess.DEVNULL,
                             stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        # A test of preload ends a helper after a minute.
        status = child.wait(90 + 2 * sum(copy.reach.seconds.get(f"{suite} {test}", 0) for test in tests))
    except subprocess.TimeoutExpired:
        status = "a hang"
    finally:
        child.kill()
        child.wait()
        reap()
    out.seek(0)
    text = out.read()
    for name in ("MMFENCE_TMP", "MMFENCE_SHM"):
        shutil.rmtree(env[name], ignore_errors=True)
    failed = re.search(r"^\[FAIL\] (\w+)::(\w+)", text, re.M)
    if failed:
        return f"{failed[1]}/{failed[2]}"
    return f"({status})" if status else None


def is_failure(copy, suite, tests):
    """Not without the change, and again with it."""
    key = suite, *tests
    if key not in copy.verdicts:
        copy.verdicts[key] = run(copy, copy.whole, suite, tests) is None
        if not copy.verdicts[key]:
            say(f"  {suite} {' '.join(tests)} fails without a change: not counted")
    return copy.verdicts[key] and run(copy, copy.build, suite, tests)


def batches(tests):
    """Of one suite each; ever larger ones."""
    size = 4
    while tests:
        for suite in reach.SUITES:
            if names := [test.split()[1] for test in tests[:size] if test.split()[0] == suite]:
                yield suite, names
        tests, size = tests[size:], min(2 * size, 64)


def statement(mutant):
    """The line on which it begins: to the compiler the others may be none."""
    lines, line = texts[mutant.path].splitlines(), mutant.line
    while re.search(r"[^;{}:/]$", lines[line - 2]):
        line -= 1
    return line


def killer(copy, mutant, seconds):
    """The suite and test that notice it, or None; and how many reach it, and how many of them ran."""
    tests = copy.reach.tests(mutant.path, mutant.line) or copy.reach.tests(mutant.path, statement(mutant))
    ran, made, begin = 0, set(), time.monotonic()
    for suite, names in batches(tests):
        if time.monotonic() - begin > seconds:
            break
        if suite not in made and copy.make(*MADE[suite]).returncode:
            return f"{suite}, which cannot be built", len(tests), 0
        made.add(suite)
        ran += len(names)
        while names and (test := run(copy, copy.build, suite, names)):
            suspects = [test] if "/" in test else names
            if is_failure(copy, suite, suspects):
                return f"{suite} {test}", len(tests), ran
            names = [name for name in names if name not in suspects]
    return None, len(tests), ran


def show(mutant):
    old = texts[mutant.path][mutant.start:mutant.end].strip()
    return f"{mutant.name()}\t{line_of(mutant)}\t[{' '.join(old.split())} -> {mutant.text.strip() or 'nothing'}]"


def only(name, pool):
    for mutant in pool:
        if mutant.name() == name:
            return mutant
    sys.exit(f"mutate: there is no {name}")


def arguments():
    parser = argparse.ArgumentParser(description="Makes small changes to the library and looks whether a test fails.")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed draws the same changes")
    parser.add_argument("--count", type=int, default=10, help="how many (10)")
    parser.add_argument("--folder", choices=ROOMS, help="of this folder of shim/ alone")
    parser.add_argument("--only", action="append", metavar="FILE:LINE:OPERATOR", help="this one")
    parser.add_argument("--list", action="store_true", help="show them, do not try them")
    parser.add_argument("--seconds", type=int, default=60, help="of tests, until it counts as a survivor (60)")
    parser.add_argument("--place", type=Path, help="where the copy is (below TMPDIR)")
    return parser.parse_args()


def try_one(copy, mutant, seconds):
    """What it was noticed by, how many tests reach it, how many ran; None when it was not tried."""
    try:
        if not copy.apply(mutant) or copy.same(mutant):
            return None
        return killer(copy, mutant, seconds)
    finally:
        copy.restore(mutant)


def main():
    options = arguments()
    names = options.only
    pool = list(all_mutants(options.folder, set() if names else listed()))
    queue = iter([only(name, pool) for name in names]) if names else drawn(pool, options.seed)
    count = len(names) if names else options.count
    if options.list:
        for _, mutant in zip(range(count), queue):
            say(show(mutant))
        return 0
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    tag = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    copy = Copy(options.place or Path(tempfile.gettempdir()) / f"mmfence-mutate.{os.getuid()}.{tag}")
    say(f"seed {options.seed}; building in {copy.place}")
    copy.prepare()
    tried, survivors = 0, []
    for mutant in queue:
        if tried == count:
            break
        begin = time.monotonic()
        outcome = try_one(copy, mutant, options.seconds)
        if not outcome:
            if names:
                say(f"{show(mutant)}\tdoes not compile, or to the same")
            continue
        by, reaching, ran = outcome
        tried += 1
        survivors += [] if by else [mutant]
        verdict = f"killed by {by}" if by else f"SURVIVED {ran} of {reaching} tests"
        say(f"{show(mutant)}\t{verdict} ({time.monotonic() - begin:.0f} s)")
    say(f"{tried} changes, {tried - len(survivors)} noticed, {len(survivors)} survived"
        + (f": {100 * (tried - len(survivors)) // tried} %" if tried else ""))
    for mutant in survivors:
        say(f"SURVIVED {show(mutant)}")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
