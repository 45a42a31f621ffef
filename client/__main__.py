"""`python -m client`: the command line."""

import sys


def main() -> int:
    """The exit status; `track` starts its command before anything else is imported."""
    if sys.argv[1:2] == ["track"]:
        from client import tracking

        return tracking.main(sys.argv[2:])
    from client import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
