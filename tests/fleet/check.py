#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py BUILD DIRECTORY: A2 across machines, with the files of examples/fleet.

Two real rsyslogd on loopback: a machine, where fenced programs write log files and a
numbered stream goes to the socket, and the central one, which is stopped midway (asked
to end, and killed, in turn) and started again. At the end every line is in the central
files, once. Then the other stores: that their configuration is right, and what a
server of theirs is sent. Lines begin with PASS, FAIL or SKIP.
"""

import collections
import glob
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

BUILD, WORK = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
FLEET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/fleet")
RSYSLOGD = shutil.which("rsyslogd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
MODULES = "/usr/lib/x86_64-linux-gnu/rsyslog"
ROUNDS = 2
PATIENCE = 60  # seconds; only a failure waits as long

failed = False
children = []


def say(ok, what, detail=""):
    global failed
    failed |= not ok
    print("PASS" if ok else "FAIL", what + (": " + str(detail) if detail and not ok else ""), flush=True)
    return ok


def skip(reason):
    print("SKIP fleet: " + reason)
    sys.exit(0)


def until(condition):
    """Whether it became true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configuration(name, changes):
    """The example's file with this test's places in it; each of them must be there."""
    with open(os.path.join(FLEET, name), encoding="utf-8") as file:
        text = file.read()
    for old, new in changes.items():
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, new)
    return text


def write_configuration(name, text):
    path = os.path.join(WORK, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Rsyslogd:
    def __init__(self, name, text):
        self.name = name
        os.makedirs(os.path.join(WORK, name), exist_ok=True)
        self.path = write_configuration(name + ".conf", text)
        self.process = None

    def start(self):
        with open(os.path.join(WORK, self.name + ".out"), "ab") as out:
            self.process = subprocess.Popen(
                [RSYSLOGD, "-n", "-f", self.path, "-i", os.path.join(WORK, self.name, "pid")],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        children.append(self.process)

    def stop(self, number):
        self.process.send_signal(number)
        self.process.wait(PATIENCE)


def lines_of(pattern):
    lines = []
    for path in glob.glob(pattern):
        with open(path, "rb") as file:
            lines += file.read().split(b"\n")[:-1]
    return lines


def collected():
    return lines_of(os.path.join(WORK, "fleet", "*", "*.jsonl"))


class Stream(threading.Thread):
    """Numbered records to the machine's socket, waiting where it is full."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sent = []
        self.stopping = False

    def run(self):
        out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        out.connect(os.path.join(WORK, "socket"))
        while not self.stopping:
            record = {"@timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
                      "event": {"action": "test", "sequence": len(self.sent) + 1},
                      "process": {"pid": 1}, "text": "gr\u00fc\u00dfe  \\ \" \n {" + "x" * (len(self.sent) % 3000)}
            line = json.dumps(record, ensure_ascii=False).encode()
            out.send(line + b"\n")
            self.sent.append(line)
            time.sleep(0.001)


def fenced(count):
    """A fenced program that writes a log of its own on the machine."""
    environment = dict(os.environ, LD_PRELOAD=BUILD + "/$LIB/libmmfence.so",
                       MMFENCE_AUDIT_LOG=os.path.join(WORK, "logs", "%e.%p.jsonl"))
    subprocess.run([os.path.join(BUILD, "helpers/plain/steady"), f"count={count}"], check=True,
                   cwd=WORK, env=environment, stdout=subprocess.DEVNULL)


def written(stream):
    return lines_of(os.path.join(WORK, "logs", "*.jsonl")) + stream.sent


def interrupt(central, number, stream):
    """Stops the central one while records come in, and starts it when many more are waiting."""
    before = len(collected())
    fenced(300)
    midway = until(lambda: len(collected()) > before + 20)
    central.stop(number)
    there, sent = len(collected()), len(stream.sent)
    fenced(800)
    until(lambda: len(stream.sent) > sent + 300)
    on_disk = until(lambda: glob.glob(os.path.join(WORK, "machine", "mmfence-*.0*")))
    central.start()
    back = until(lambda: len(collected()) > there)
    return midway and on_disk and back


def survive(central, machine):
    stream = Stream()
    central.start()
    machine.start()
    if not until(lambda: os.path.exists(os.path.join(WORK, "socket"))):
        return say(False, "fleet: rsyslogd starts")
    stream.start()
    ok = all(interrupt(central, number, stream) for number in (signal.SIGTERM, signal.SIGKILL) * ROUNDS)
    say(ok, f"fleet: the central machine was stopped midway, {2 * ROUNDS} times, and the queue went to disk")
    stream.stopping = True
    stream.join()
    until(lambda: len(collected()) >= len(written(stream)))
    check(written(stream))
    return central.stop(signal.SIGTERM), machine.stop(signal.SIGTERM)


def check(expected):
    there, wanted = collections.Counter(collected()), collections.Counter(expected)
    lost, more = wanted - there, there - wanted
    say(len(expected) > 2000 and max(wanted.values()) == 1, "fleet: the records are numbered", len(expected))
    say(not lost, f"fleet: none of {len(expected)} records is lost", f"{sum(lost.values())}, such as {next(iter(lost), '')}")
    say(not more, "fleet: none is there twice, or changed", f"{sum(more.values())}, such as {next(iter(more), '')}")
    names = {os.path.relpath(path, WORK) for path in glob.glob(os.path.join(WORK, "fleet/*/*"))}
    days = {line.split(b'"@timestamp":')[1].split(b'"')[1][:10].decode() for line in expected}
    say(names == {f"fleet/machine-a/{day}.jsonl" for day in days}, "fleet: by host and day", names)


def once_program():
    """What is sent again is left out; what was cut short is made whole; names cannot lead out."""
    root = os.path.join(WORK, "once")
    lines = [f'h {{"@timestamp":"2026-01-0{1 + i % 2}T","n":{i}}}'.encode() for i in range(100)]

    def feed(messages):
        answer = subprocess.run([os.path.join(FLEET, "once.py"), root], input=b"\n".join(messages) + b"\n",
                                stdout=subprocess.PIPE, check=True).stdout
        return answer == b"OK\n" * (len(messages) + 1)

    ok = feed(lines[:60] + lines[40:60]) and feed(lines[:60])
    day = os.path.join(root, "h", "2026-01-01.jsonl")
    with open(day, "ab") as file:
        file.write(b'{"@timestamp":"2026-01-01T","n":60')
    ok = ok and feed(lines[50:] + [b"../../out x", b'../out {"@timestamp":"2026-01-01T"}', b"h y"])
    there = lines_of(os.path.join(root, "h", "*.jsonl"))
    say(ok and sorted(there) == sorted(line[2:] for line in lines), "fleet: once.py writes each line once", there)
    names = {os.path.relpath(path, root) for path in glob.glob(root + "/*/*")}
    say(names == {"h/2026-01-01.jsonl", "h/2026-01-02.jsonl", "strange/lines.jsonl"},
        "fleet: once.py writes nowhere else", names)


STORES = {"opensearch": "omelasticsearch", "kafka": "omkafka", "clickhouse": "omprog"}


def valid(text, what):
    path = write_configuration("tried.conf", text)
    got = subprocess.run([RSYSLOGD, "-N1", "-f", path], capture_output=True, text=True, check=False)
    said = [line for line in got.stderr.splitlines() if "validation run" not in line]
    say(got.returncode == 0 and not said, f"fleet: {what} is a configuration without a fault", said)


def with_stores(stores, changes):
    text = configuration("central.conf", {f"#call mmfence-{store}": f"call mmfence-{store}" for store in stores} | changes)
    return text + "".join(configuration(store + ".conf", {}) for store in stores).replace(
        "/var/spool/rsyslog", os.path.join(WORK, "central"))


def configurations(machine, places):
    valid(configuration("agent.conf", machine), "agent.conf")
    valid(configuration("central.conf", places), "central.conf")
    here = [store for store, module in STORES.items() if os.path.exists(f"{MODULES}/{module}.so")]
    for store in STORES:
        if store in here:
            valid(with_stores([store], places), store + ".conf")
        else:
            print(f"SKIP fleet: rsyslog has no {STORES[store]} here")
    valid(with_stores(here, places), "all of them together")


class Store(http.server.BaseHTTPRequestHandler):
    """Stands for OpenSearch and ClickHouse: takes what they are sent; hangs up on the first."""

    requests = []
    refused = collections.Counter()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = "bulk" if "_bulk" in self.path else "insert"
        Store.refused[kind] += 1
        if Store.refused[kind] == 1:
            self.close_connection = True
            return
        Store.requests.append((kind, self.path, body))
        items = [{"index": {"status": 201}}] * (body.count(b"\n") // 2)
        answer = json.dumps({"errors": False, "items": items}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_HEAD = lambda self: (self.send_response(200), self.send_header("Content-Length", "0"), self.end_headers())

    def log_message(self, *arguments):
        pass


def stored(kind):
    rows = {}
    for what, _, body in list(Store.requests):
        lines = [json.loads(line) for line in body.splitlines()] if what == kind else []
        if kind == "bulk":
            for head, document in zip(lines[::2], lines[1::2]):
                rows[head["index"]["_id"]] = (head["index"]["_index"], document)
        else:
            for row in lines:
                rows[row["host"], row["time"], row["pid"], row["sequence"]] = row
    return rows


def forward(places, central_places):
    stores = [store for store in ("opensearch", "clickhouse") if os.path.exists(f"{MODULES}/{STORES[store]}.so")]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    text = with_stores(stores, central_places)
    for old, new in {'serverport="9200"': f'serverport="{server.server_port}"',
                     "http://127.0.0.1:8123/": f"http://127.0.0.1:{server.server_port}/",
                     "/usr/local/lib/mmfence": FLEET}.items():
        text = text.replace(old, new)
    central, machine = Rsyslogd("central", text), Rsyslogd("machine", configuration("agent.conf", places))
    shutil.rmtree(os.path.join(WORK, "fleet"))
    known = set(lines_of(os.path.join(WORK, "logs", "*.jsonl")))
    central.start()
    machine.start()
    fenced(50)
    records = [json.loads(line) for line in lines_of(os.path.join(WORK, "logs", "*.jsonl")) if line not in known]
    for store in stores:
        kind = "bulk" if store == "opensearch" else "insert"
        until(lambda kind=kind: len(stored(kind)) >= len(records))
        rows = stored(kind)
        if kind == "bulk":
            for record in records:
                record.setdefault("host", {})["name"] = "machine-a"
            got = [row[1] for row in rows.values()]
            ok = all(row[0] == "mmfence-" + row[1]["@timestamp"][:7] for row in rows.values())
        else:
            got = [json.loads(row["record"]) for row in rows.values()]
            for record in records:
                record.get("host", {}).pop("name", None)
                if not record.get("host", {"x": 1}):
                    del record["host"]
            ok = all(row["action"] == json.loads(row["record"])["event"]["action"] for row in rows.values())
        key = lambda record: json.dumps(record, sort_keys=True)
        say(ok and sorted(got, key=key) == sorted(records, key=key), f"fleet: {store} is sent every record, though it was away at first",
            f"{len(got)} of {len(records)}: {got[:1]} {records[:1]}")
    central.stop(signal.SIGTERM)
    machine.stop(signal.SIGTERM)
    server.shutdown()


def main():
    if not RSYSLOGD:
        skip("rsyslog is not installed")
    if not os.path.exists(MODULES + "/imrelp.so"):
        skip("rsyslog-relp is not installed")
    os.makedirs(os.path.join(WORK, "logs"))
    port = str(free_port())
    machine = {"/var/spool/rsyslog": os.path.join(WORK, "machine"), "central.example": "127.0.0.1",
               '"2514"': f'"{port}"', "/run/mmfence.sock": os.path.join(WORK, "socket"),
               "/var/log/mmfence": os.path.join(WORK, "logs"),
               "global(": 'global(localHostname="machine-a" ', 'queue.size="20000"': 'queue.size="4000" queue.highWatermark="300" queue.lowWatermark="100"', 'action.resumeIntervalMax="60"': 'action.resumeIntervalMax="1"'}
    central = {"/var/spool/rsyslog": os.path.join(WORK, "central"), '"2514"': f'"{port}"',
               "/usr/local/lib/mmfence": FLEET, "/var/log/mmfence-fleet": os.path.join(WORK, "fleet")}
    try:
        survive(Rsyslogd("central", configuration("central.conf", central)),
                Rsyslogd("machine", configuration("agent.conf", machine)))
        once_program()
        configurations(machine, central)
        forward(machine, central)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
    sys.exit(failed)


main()
