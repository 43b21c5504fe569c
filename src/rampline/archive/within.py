"""Queries to a server, with a time-out that always holds.

A name look-up may hang far longer than the time-out of a connection, so a query runs in a
thread of its own, which is abandoned when its time is over.
"""

import threading
from collections.abc import Callable
from typing import Any

from ..errors import NetworkError


def ask_within(seconds: float, ask: Callable[[], Any], what: str, remedy: str) -> Any:
    """Return the answer to a query, or fail within a time limit.

    Parameters
    ----------
    seconds : float, s
        Longest wait.
    ask : callable
        Without arguments; asks and returns the answer.
    what, remedy : str
        What is asked of whom, and what the user can do without it.

    Raises
    ------
    NetworkError
        One line: no answer in time, or none that can be used.
    """
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = ask()
        except Exception as error:  # noqa: BLE001 (handed over to the caller's thread)
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True, name=what)
    thread.start()
    thread.join(seconds)
    if "value" in outcome:
        return outcome["value"]
    error = outcome.get("error")
    why = f"no answer within {seconds:g} s" if error is None else _reason(error)
    raise NetworkError(f"{what}: {why}; {remedy}") from error


def _reason(error: Exception) -> str:
    """Return what went wrong, on one line."""
    kind = type(error).__name__
    if isinstance(error, OSError) and "Connect" in kind:
        # what stands in it is the address of the query and the innermost of three errors
        return "cannot be reached"
    return f"{kind}: {str(error).strip().partition(chr(10))[0][:200]}"
