"""A bare endpoint in a process that imports what FlashNotify does: `… imports MODULES PORT`.

MODULES is a file with a JSON array of their names.
"""

import importlib
import json
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from benchmarks.peers.bare import app

if __name__ == "__main__":
    for name in json.loads(Path(sys.argv[1]).read_text()):
        # Some are made by others, and cannot be imported.
        with suppress(ImportError):
            importlib.import_module(name)
    uvicorn.run(app, port=int(sys.argv[2]), access_log=False)
