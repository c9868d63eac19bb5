"""``python -m bridge.protocol.generate [FOLDER]``: write all generated files; into the repository, if none is named."""

import sys
from pathlib import Path

from bridge.protocol.generate.artifacts import write_artifacts

if __name__ == "__main__":
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[3]
    for path in write_artifacts(root):
        sys.stdout.write(f"{path}\n")
