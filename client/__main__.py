"""`python -m client`: the command line."""

import sys

from client.cli import main

if __name__ == "__main__":
    sys.exit(main())
