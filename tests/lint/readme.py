#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""readme.py BUILD [--write]: README.md fits on a few screens, and what it shows is what the
commands print. Each indented block that begins with "$ " is run, in order, with mmfence installed
and the checkout's examples/ and build/ at hand; then its output must be there, but for times,
addresses, process ids and names made up at random. A line "…" stands for any number of lines.
With --write the output is put into README.md (where a block has no "…")."""
import os
import re
import subprocess
import sys
import tempfile

MOST_LINES = 200
SHOWN = "/src/mmfence"
VARYING = (
    (r"(/\w+)\.\w{6}\b", r"\1.RANDOM"),  # first: it may hold a 0x7
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*Z?", "TIME"),
    (r"0x[0-9a-f]+", "ADDRESS"),
    (r"\bpid \d+|\[\d+\]|/proc/\d+", "PID"),
    (r"\b[\d.]+ (µs|ms|s)\b", "DURATION"),
    (r";_start;[^ ]*?;main;", ";START;main;"),  # what is there of libc's debug information
    (r" +", " "),
)


def blocks(lines):
    """[first, end) of each transcript."""
    at = 0
    while at < len(lines):
        end = at
        while end < len(lines) and lines[end].startswith("\t"):
            end += 1
        if lines[at].startswith("\t$ "):
            yield at, end
        at = max(end, at + 1)


def steps(lines):
    """[(command, [output])] of a transcript. A command goes on in the next line after a backslash."""
    found = []
    for line in lines:
        if found and found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0] + "\n" + line[1:], [])
            continue
        if line.startswith("\t$ "):
            found.append((line[3:], []))
        else:
            found[-1][1].append(line[1:])
    return found


def run(commands, work, build):
    """What each command prints, on standard output and standard error."""
    script = os.path.join(work, ".script")
    with open(script, "w", encoding="utf-8") as file:
        for command in commands:
            file.write(f"{command}\nstatus=$?; printf '\\001'; (exit $status)\n")
    environment = {"PATH": os.path.join(work, ".installed/bin") + ":/usr/local/bin:/usr/bin:/bin",
                   "HOME": work, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["bash", "-c", f"ulimit -c 0; exec bash {script}"], cwd=work, env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode().replace(work, SHOWN).replace(os.path.dirname(build), SHOWN)
    # What an interactive shell says of a signal.
    text = re.sub(r"\S*: line \d+: +\d+ (\w[\w ]*?)  +.*", r"\1", text)
    return [part.splitlines() for part in text.split("\001")[:-1]]


def plain(line, also=()):
    for pattern, word in (*also, *VARYING):
        line = re.sub(pattern, word, line)
    return line.strip()


def same(command, expected, there):
    """Of a page census only the form stays."""
    also = ((r"\b[0-9a-f]{8,}(?= [r-])", "ADDRESS"),
            (r"[\d.]+( [KMG]iB)?\b|(?<= )-(?= )", "N")) if " pages " in command else ()
    if not expected:
        return not there
    if expected[0] == "…":
        return any(same(command, expected[1:], there[i:]) for i in range(len(there) + 1))
    return (bool(there) and plain(expected[0], also) == plain(there[0], also) and
            same(command, expected[1:], there[1:]))


def install(work, build):
    prefix = os.path.join(work, ".installed")
    for part in ("bin", "lib", "lib32", "lib64"):
        if os.path.exists(os.path.join(build, part)):
            subprocess.run(["cp", "-a", "--parents", part, prefix], cwd=build, check=True)
    for name in ("examples", "build"):
        os.symlink(build if name == "build" else os.path.join(os.path.dirname(build), name),
                   os.path.join(work, name))


def main():
    build, write = os.path.abspath(sys.argv[1]), "--write" in sys.argv
    with open("README.md", encoding="utf-8") as file:
        lines = file.read().splitlines()
    wrong = 0
    with tempfile.TemporaryDirectory() as work:
        os.mkdir(os.path.join(work, ".installed"))
        install(work, build)
        shown = [(at, end, steps(lines[at:end])) for at, end in blocks(lines)]
        outputs = run([command for _, _, part in shown for command, _ in part], work, build)
        number = sum(len(part) for _, _, part in shown)
        if len(outputs) != number:
            sys.exit(f"README.md: {len(outputs)} of {number} commands came to an end")
        outputs.reverse()
        new = {}
        for at, end, part in shown:
            new[at] = (end, [])
            for command, expected in part:
                there = outputs.pop()
                if not same(command, expected, there) and not write:
                    wrong += 1
                    print(f"README.md: {command}\nprints", *there, "and not", *expected, sep="\n")
                new[at][1].append("\t$ " + command.replace("\n", "\n\t"))
                new[at][1].extend("\t" + line for line in (
                    expected if "…" in expected else there))
    if write:
        for at in sorted(new, reverse=True):
            lines[at:new[at][0]] = new[at][1]
        with open("README.md", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    if len(lines) > MOST_LINES:
        wrong += 1
        print(f"README.md: {len(lines)} lines; more than {MOST_LINES} is for the manual")
    if not wrong:
        print(f"readme: {number} commands print what README.md shows")
    sys.exit(wrong > 0)


main()
