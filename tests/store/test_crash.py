"""Killed at any moment, the journal has everything that it acknowledged."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from npc_engine.store import DataFolder, Journal

APPEND_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from npc_engine.store import DataFolder, Journal, NewEntry, NpcRecord

async def speak(journal, npc):
    number = 0
    while True:
        entry = NewEntry(npc=npc, kind="heard", text=f"{npc} {number}", token_ids=(number, number + 1))
        record = NpcRecord(npc=npc, persona="p", world="w", window_start=number)
        [stored] = await journal.append([entry], [record])
        sys.stdout.write(f"{npc} {stored.seq} {number}\\n")
        sys.stdout.flush()
        number += 1

async def main():
    with DataFolder(Path(sys.argv[1])) as folder:
        async with await Journal.open(folder) as journal:
            await asyncio.gather(*[speak(journal, f"npc{index}") for index in range(8)])

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(4))
async def test_every_acknowledged_entry_is_there_after_a_kill(tmp_path: Path, seed: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", APPEND_UNTIL_KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(random.Random(seed).uniform(0.0, 0.3))
        process.kill()
        *lines, _cut_short = (first + process.stdout.read()).split("\n")
    assert lines
    with DataFolder(tmp_path) as folder:
        async with await Journal.open(folder) as journal:
            kept = {f"npc{index}": await journal.tail(f"npc{index}") for index in range(8)}
            windows = {record.npc: record.window_start for record in await journal.all()}
    texts = {entry.seq: entry.text for entries in kept.values() for entry in entries}
    for line in lines:
        npc, seq, number = line.split()
        assert texts[int(seq)] == f"{npc} {number}"
    for npc, entries in kept.items():
        assert [entry.text for entry in entries] == [f"{npc} {number}" for number in range(len(entries))]
        assert windows.get(npc, -1) == len(entries) - 1, "entry and record are stored together"
