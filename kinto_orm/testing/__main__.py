"""`python -m kinto_orm.testing`: a server to try things on, until Ctrl-C."""

from kinto_orm.testing import main

if __name__ == "__main__":
    raise SystemExit(main())
