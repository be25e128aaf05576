"""A process that keeps facts until it is killed. It says each one that `record` let go.

clerk.py record URL SPOOL FIRST THREADS    keeps facts of calls FIRST, FIRST+1, ...
clerk.py merge URL SPOOL                   merges, telling before and after each batch
"""

import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from call_router.call import Fact
from db import spool
from db.books import DurableBooks
from db.facts import keep
from db.store import open_store

STORY = ("ring", "menu", "hand_over", "queued", "answered", "ended")


def say(word):
    os.write(1, f"{word}\n".encode())


def record(url, folder, first, threads):
    books = DurableBooks(url, Path(folder), "smg")

    def one(thread):
        call = int(first) + thread
        while True:
            for what in STORY:
                fact = Fact(f"siaga-{call}", datetime.now(UTC), what, fact_id=f"{call}-{what}")
                books.record(fact)
                say(fact.fact_id)
            call += int(threads)

    for thread in range(int(threads)):
        threading.Thread(target=one, args=[thread]).start()


def merge(url, folder):
    engine = open_store(url)

    def kept(facts):
        say("batch")
        new = keep(engine, "smg", facts, lambda *_: None)
        say("kept")
        return new

    say("begin")
    spool.merge(Path(folder), kept)
    say("done")


{"record": record, "merge": merge}[sys.argv[1]](*sys.argv[2:])
