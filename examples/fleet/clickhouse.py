#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clickhouse.py URL TABLE: for rsyslog's omprog, with confirmMessages and useTransactions.

Takes rows as JSON, a transaction at a time, and inserts each transaction with one
request. Confirms it when the server has answered 200; rsyslog repeats it otherwise.
"""

import sys
import urllib.error
import urllib.parse
import urllib.request


def insert(url, table, rows):
    query = urllib.parse.urlencode({
        "query": f"INSERT INTO {table} FORMAT JSONEachRow",
        "date_time_input_format": "best_effort",
    })
    request = urllib.request.Request(f"{url}?{query}", data=b"".join(rows))
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


def main():
    url, table = sys.argv[1:3]
    rows = []
    print("OK", flush=True)
    for line in sys.stdin.buffer:
        if line == b"BEGIN TRANSACTION\n":
            rows = []
            print("OK", flush=True)
        elif line == b"COMMIT TRANSACTION\n":
            try:
                insert(url, table, rows)
                print("OK", flush=True)
            except (OSError, urllib.error.URLError) as error:
                print("Error:", str(error).replace("\n", " "), flush=True)
        else:
            rows.append(line if line.endswith(b"\n") else line + b"\n")
            print("DEFER_COMMIT", flush=True)


main()
