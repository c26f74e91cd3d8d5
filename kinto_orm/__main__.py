"""`python -m kinto_orm` is the command `kinto-orm`."""

import sys

from kinto_orm.cli import main

if __name__ == "__main__":
    sys.exit(main())
