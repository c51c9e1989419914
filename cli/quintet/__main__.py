"""``python -m quintet``: the one entry to the platform; Make calls it."""

import errno
import sys
from functools import cache
from typing import Any

from typer.main import get_command

from quintet import commands, terminal
from quintet.ops.shell_variables import OF_POSTGRES, forget
from quintet.progress import UserError


@cache
def command_line() -> Any:
    """Return the command line, as Typer makes it of the declared commands."""
    return get_command(commands.app)


def main(words: list[str] | None = None) -> int:
    """Run a command; a failure is one sentence on stderr and a code of its own, mostly 1."""
    terminal.guard()
    # All that is asked here by libpq is the platform's own, by addresses that say all that is to be said.
    forget(OF_POSTGRES)
    try:
        command_line().main(words, prog_name="quintet")
    except UserError as error:
        print(error, file=sys.stderr)
        return error.code
    except SystemExit as ended:
        # Typer's: 0 at the end of a command, 2 for what cannot be meant, 130 after Ctrl-C.
        return int(ended.code or 0)
    except Exception as error:
        if not (sentence := _sentence(error)):
            raise
        print(sentence, file=sys.stderr)
    return 1


def _sentence(error: Exception) -> str:
    """Return what a failure of the machine or the cluster means for the user; "" for a bug."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full ({error.filename or 'no file named'}): free some, and try again."
    from quintet.ops.kube import refusal

    return refusal(error)


if __name__ == "__main__":
    sys.exit(main())
