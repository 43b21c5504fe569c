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
    if "error" not in outcome:
        why = f"no answer within {seconds:g} s"
    else:
        first_line = str(outcome["error"]).strip().partition("\n")[0]
        why = f"{type(outcome['error']).__name__}: {first_line[:200]}"
    raise NetworkError(f"{what}: {why}; {remedy}") from outcome.get("error")
