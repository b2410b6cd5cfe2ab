"""``python -m minigrad`` is the command line."""

import sys

from minigrad.cli import console

if __name__ == "__main__":
    sys.exit(console())
