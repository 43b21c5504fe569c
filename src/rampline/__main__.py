"""The console command: it opens the door, and is there when Ctrl-C comes before that is open.

Worker processes import the script that started them, so it is this and not the door.
"""

import sys

from .errors import STOPPED


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        # a quarter of a second, most of it for the package that reads the command line
        from .cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("rampline: stopped\n")
        sys.exit(STOPPED)
    run()


if __name__ == "__main__":
    main()
