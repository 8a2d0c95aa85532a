"""`cds-service`, also as `python -m cds_service`."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Run the command that the command line holds, and return the exit status.

    What it imports stays as long as it runs. To look for cycles in it again and again would be a tenth of the start;
    once is enough, for what was thrown away meanwhile.
    """
    gc.disable()
    from cds_service import cli  # noqa: PLC0415 - that is what is imported meanwhile

    gc.collect()
    gc.freeze()
    gc.enable()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
