#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Maps a file, as many programs do that only read. Then another process cuts the file off, and
the reader dies of SIGBUS, unless it is fenced."""
import mmap
import subprocess

with open("archive.db", "wb") as file:
    file.write(b"old " * 262144)
with open("archive.db", "rb") as file:
    view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
subprocess.run([": >archive.db"], shell=True, check=True)
print("read", 4 * view[:].count(b"old "), "bytes, as they were when the file was mapped")
