#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mutate.py: would a test notice? Small changes are made to the library, one at a time.

	make mutate ARGS='--seed 7 --count 20 --folder snapshot'
	make mutate ARGS='--only shim/policy/glob.c:41:compare'

Each is built in a copy of the checkout and tested: the suites of its folder, then all others, until
one fails. What fails without the change as well, or not a second time, does not count. Changes that
make no difference are listed in tests/mutate/equivalent, with the reason, and not drawn.
Exit status 1 when one survived.
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

ROOT = Path(__file__).resolve().parents[2]

# Folder: the suites of unit and of preload that are about it. After them come all others.
SUITES = {
    "audit": ("json record sink journal trace module zone", "A1 A2 A3 A4 A5 A6 A7 A8"),
    "cli": ("scan", "check command report show pages suite module"),
    "inject": ("inject", "inject"),
    "interpose": ("", "P1 P2 P3 P4 P5 A3 A6 M1 M2 inject"),
    "kernel": ("file", "S1 S4 S5 S7 S10 M1 M4 N2 P5"),
    "mapping": ("index", "S1 S2 S4 S6 S9 S11 N2"),
    "nonlinear": ("record", "N1 N2 N3 N4 N5"),
    "pages": ("", "pages page"),
    "policy": ("glob policy inject", "S7 S8 A5 inject command"),
    "selfmem": ("", "M1 M2 M3 M4 M5 M6"),
    "sigbus": ("", "S17"),
    "snapshot": ("", "S1 S2 S3 S4 S5 S6 S7 S8 S9 S10 S11 S12"),
    "support": ("arena sort", "P2 S6 A2"),
}
SCRIPTS = ["real", "attacked"]
SECONDS = {"unit": 120, "faults": 900, "preload": 900, "real": 900, "attacked": 600}


def say(text):
    print(text, flush=True)


def listed():
    """The changes that make no difference: file, operator and the line's text."""
    rows = set()
    for line in (ROOT / "tests/mutate/equivalent").read_text().splitlines():
        if line and not line.startswith("#"):
            path, operator, text, _ = (part.strip() for part in line.split(" | ", 3))
            rows.add((path, operator, text))
    return rows


texts = {}  # of the sources, by name; edits that are made meanwhile are for the next time


def line_of(mutant):
    return texts[mutant.path].splitlines()[mutant.line - 1].strip()


def all_mutants(folder, equivalent):
    for path in sorted(ROOT.glob(f"shim/{folder or '*'}/**/*.c")):
        if path.parts[len(ROOT.parts) + 1] == "cli" and not folder:
            continue  # the command is drawn only when it is named
        name = str(path.relative_to(ROOT))
        texts[name] = path.read_text()
        for mutant in draw.mutants(name, texts[name]):
            operator = mutant.name().rsplit(":", 1)[1]
            if (name, operator, line_of(mutant)) not in equivalent:
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
        return subprocess.run(["make", "-s", "-j2", "WARN=-w", *targets], cwd=self.place / "copy",
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def prepare(self):
        names = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT,
                               capture_output=True, check=True).stdout.decode().split("\0")
        names = {name for name in names if name and (ROOT / name).is_file()}
        copy = self.place / "copy"
        for old in copy.glob("**/*"):
            name = old.relative_to(copy)
            if name.parts[0] not in ("build", "whole") and old.is_file() and str(name) not in names:
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

    def products(self, path):
        """What is made anew when this file changes."""
        objects = [f"{kind}/{path[:-2]}.o" for kind in ("obj64", "obj32", "cli", "faults/obj")]
        return objects + ["faults/libmmfence.so", "lib/x86_64-linux-gnu/libmmfence.so", "lib32/libmmfence.so", "bin/mmfence", "tests/unit"]

    def apply(self, mutant):
        text = texts[mutant.path]
        changed = text[:mutant.start] + mutant.text + text[mutant.end:]
        (self.place / "copy" / mutant.path).write_text(changed)
        return self.make("build/tests/unit", "all", "faults-build").returncode == 0

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


def run(copy, build, suite, pattern=None):
    """The name of the first test that fails; None when none does."""
    if suite in SCRIPTS:
        command = ["bash", f"tests/preload/{suite}.sh"]
    else:
        command = [build / "tests" / suite, "--jobs", "2", "--fail-fast", "--verbose=1", "--color=never"]
        command += ["--filter", pattern] if pattern else []
    env = environment(build)
    out = open(Path(env["MMFENCE_TMP"]) / "out", "w+", errors="replace")
    child = subprocess.Popen(command, cwd=copy.place / "copy", env=env, stdin=subprocess.DEVNULL,
                             stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        status = child.wait(SECONDS[suite])
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
    failed = re.search(r"^\[FAIL\] ([\w]+)::(\w+)|^FAIL ([^:\n]*)", text, re.M)
    if failed:
        return f"{failed[1]}/{failed[2]}" if failed[1] else failed[3]
    # A runner without a test for the pattern is content; real.sh's status is that of its last test.
    return f"({status})" if status and suite not in SCRIPTS else None


def is_failure(copy, suite, test):
    """Not without the change, and again with it."""
    pattern = test if "/" in test else None
    if (suite, test) not in copy.verdicts:
        copy.verdicts[suite, test] = run(copy, copy.whole, suite, pattern) is None
        if not copy.verdicts[suite, test]:
            say(f"  {suite} {test} fails without a change: not counted")
    return copy.verdicts[suite, test] and (suite in SCRIPTS or run(copy, copy.build, suite, pattern))


def stages(folder, narrow):
    """Suite, and the pattern of Criterion's tests that are left out."""
    for suite, names in zip(("unit", "preload"), SUITES[folder]):
        if names:
            yield suite, f"!(@({'|'.join(names.split())})/*)"
        if suite == "unit" and folder not in ("cli", "pages", "policy"):
            yield "faults", "none/none"
    if narrow:
        return
    for suite, names in zip(("unit", "preload"), SUITES[folder]):
        yield suite, f"@({'|'.join(names.split()) or 'none'})/*"
    for script in SCRIPTS:
        yield script, ""


def killer(copy, mutant, narrow):
    """The suite and test that notice it."""
    for suite, left_out in stages(mutant.path.split("/")[1], narrow):
        passed = []
        while test := run(copy, copy.build, suite, f"!({'|'.join([left_out, *passed])})"):
            if is_failure(copy, suite, test):
                return f"{suite} {test}"
            passed.append(test)
            if "/" not in test:
                break
    return None


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
    parser.add_argument("--folder", choices=sorted(SUITES), help="of this folder of shim/ alone")
    parser.add_argument("--only", action="append", metavar="FILE:LINE:OPERATOR", help="this one")
    parser.add_argument("--list", action="store_true", help="show them, do not try them")
    parser.add_argument("--narrow", action="store_true", help="the folder's own suites alone")
    parser.add_argument("--place", type=Path, help="where the copy is (below TMPDIR)")
    return parser.parse_args()


def try_one(copy, mutant, narrow):
    """Whether it was tried, and by what it was noticed."""
    try:
        if not copy.apply(mutant) or copy.same(mutant):
            return False, None
        return True, killer(copy, mutant, narrow)
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
        was_tried, by = try_one(copy, mutant, options.narrow)
        if not was_tried:
            if names:
                say(f"{show(mutant)}\tdoes not compile, or to the same")
            continue
        tried += 1
        survivors += [] if by else [mutant]
        say(f"{show(mutant)}\t{'killed by ' + by if by else 'SURVIVED'} ({time.monotonic() - begin:.0f} s)")
    say(f"{tried} changes, {tried - len(survivors)} noticed, {len(survivors)} survived"
        + (f": {100 * (tried - len(survivors)) // tried} %" if tried else ""))
    for mutant in survivors:
        say(f"SURVIVED {show(mutant)}")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
