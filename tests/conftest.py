"""Makes the shared builders in this folder importable by their bare names."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["stream_bundles", "stream_programs", "boards.fixtures", "deploy_boards"]
