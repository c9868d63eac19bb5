"""Talk to a villager and draw the terminal: ``python examples/record_chat.py maud docs/chat.svg "Good morning!"``."""

import re
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

THINKING_SECONDS = 2.0
"""Nobody types the next line the moment an answer ends."""


def main(npc: str, picture: str, *lines: str) -> None:
    """Run ``npc-engine chat`` with ``lines`` typed into it, and write what it showed as an SVG."""
    terminal = Console(record=True, width=124)
    terminal.print(Text(f"$ npc-engine chat {npc} --as Alex --timings", style="bold"))
    command = [sys.executable, "-u", "-m", "npc_engine.cli", "chat", npc, "--as", "Alex", "--timings"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", bufsize=1
    ) as chat:
        assert chat.stdin is not None
        assert chat.stdout is not None
        terminal.print(Text(chat.stdout.readline().rstrip(), style="dim"))
        for line in lines:
            time.sleep(THINKING_SECONDS)
            terminal.print(Text(f"> {line}", style="cyan"))
            chat.stdin.write(line + "\n")
            chat.stdin.flush()
            terminal.print(Text(chat.stdout.readline().rstrip()))
            terminal.print(Text(chat.stdout.readline().rstrip(), style="dim"))
        chat.stdin.close()
    svg = terminal.export_svg(title="npc-engine")
    # The picture must not fetch fonts from anywhere.
    svg = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")
    Path(picture).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
