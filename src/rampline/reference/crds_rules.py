"""CRDS' own rules, through the ``crds`` client.

The client finds the best references of a header under a context (``.pmap``), from the
server or from a local cache, which may be read-only and without network. It is given the
same names and values as the ``jwst`` package gives it.
"""

import os
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib import request
from urllib.error import HTTPError

from ..errors import MissingReferenceError
from ..exposure.header import CardValue, Header
from ..exposure.planes import UsedFile
from .checksum import verified_sha1
from .selection import ReferenceFiles, missing_line, observed_at

NETWORK_TIMEOUT_S: Final = 30
"""The client's own default is an hour; a network that drops packets must not hang us."""
PROBE_S: Final = 10
"""Longest wait for a first answer; without one, the server is not asked again."""
SERVERLESS: Final = "https://jwst-serverless.stsci.edu"
"""A name by which the client knows that there is no server; it is never looked up."""

_META_NAMES: Final = {
    "CATEGORY": "META.PROGRAM.CATEGORY",
    "CORONMSK": "META.INSTRUMENT.CORONAGRAPH",
    "CROWDFLD": "META.VISIT.CROWDED_FIELD",
    "FASTAXIS": "META.SUBARRAY.FASTAXIS",
    "GROUPGAP": "META.EXPOSURE.GROUPGAP",
    "NFRAMES": "META.EXPOSURE.NFRAMES",
    "NGROUPS": "META.EXPOSURE.NGROUPS",
    "NINTS": "META.EXPOSURE.NINTS",
    "NOUTPUTS": "META.EXPOSURE.NOUTPUTS",
    "SLOWAXIS": "META.SUBARRAY.SLOWAXIS",
    "SUBSIZE1": "META.SUBARRAY.XSIZE",
    "SUBSIZE2": "META.SUBARRAY.YSIZE",
    "SUBSTRT1": "META.SUBARRAY.XSTART",
    "SUBSTRT2": "META.SUBARRAY.YSTART",
    "TSOVISIT": "META.VISIT.TSOVISIT",
    "VISITYPE": "META.VISIT.TYPE",
}
"""Keywords beyond the typed ones of `Header` on which rules depend or may."""


@dataclass(frozen=True)
class CrdsSource:
    """The files that CRDS' rules choose.

    Parameters
    ----------
    context : str
        Name of the context, for example ``jwst_1322.pmap``; empty for the one that the
        client takes by itself (``CRDS_CONTEXT``, else the server's or the cache's).
    """

    context: str = ""

    def select(self, header: Header, kinds: Iterable[str]) -> ReferenceFiles:
        """Return the best references of the exposure, fetched where need be.

        Raises
        ------
        MissingReferenceError
            In one line: no cache and no server, a type without a match, a file that
            cannot be had, or one whose sha1 is not that on record.
        """
        wanted = tuple(kinds)
        client = _client()
        parameters = crds_parameters(header)
        try:
            context = client.context_name(self.context)
            answers = client.references(parameters, wanted, context)
        except client.errors as error:
            failed, reason = client.first_failure(parameters, wanted, self.context)
            line = missing_line(
                header, failed, f"CRDS (cache {os.environ['CRDS_PATH']})"
            )
            raise MissingReferenceError(f"{line}: {reason or error}") from error
        found = {kind: Path(path) for kind, path in answers.items() if _applies(path)}
        used = tuple(
            UsedFile(kind, path.name, verified_sha1(path, client.sha1_on_record))
            for kind, path in found.items()
        )
        return ReferenceFiles(paths=found, used=used, context=context)


def crds_parameters(header: Header) -> dict[str, str | int | float | bool]:
    """Return the header under the names that CRDS' rules use.

    The names are the data-model paths of ``jwst`` (``META.INSTRUMENT.DETECTOR``), as its
    steps hand them to the client.
    """
    cards: dict[str, CardValue] = {}
    for card in (*header.science, *header.primary):
        cards[card.keyword] = card.value
    start = observed_at(header)
    parameters: dict[str, str | int | float | bool] = {
        "META.TELESCOPE": "JWST",
        "META.INSTRUMENT.NAME": "NIRCAM",
        "META.INSTRUMENT.DETECTOR": header.detector,
        "META.INSTRUMENT.CHANNEL": header.channel,
        "META.INSTRUMENT.MODULE": header.module,
        "META.INSTRUMENT.FILTER": header.filter,
        "META.INSTRUMENT.PUPIL": header.pupil,
        "META.EXPOSURE.TYPE": header.exp_type,
        "META.EXPOSURE.READPATT": header.readout.pattern,
        "META.SUBARRAY.NAME": header.readout.subarray,
        "META.OBSERVATION.DATE": start.date().isoformat(),
        "META.OBSERVATION.TIME": start.time().isoformat(timespec="milliseconds"),
    }
    for keyword, name in _META_NAMES.items():
        value = cards.get(keyword)
        if value is not None:
            parameters[name] = value
    return parameters


def _applies(answer: str) -> bool:
    """Tell whether the client named a file, rather than said that none applies."""
    return "N/A" not in answer.upper()


def _one_line(error: BaseException) -> str:
    """Return the client's reason on one line."""
    if isinstance(error, SystemExit):
        return (
            f"neither a cache nor the server {_client().server} is there; "
            "set CRDS_PATH, or name a folder with --references"
        )
    return " ".join(str(error).split())


def _answers(server: str) -> bool:
    """Return whether a server answers at all, if need be through the user's proxies.

    In a thread of its own: looking up a name has no time-out that could be set.
    """
    seconds = min(PROBE_S, float(os.environ["CRDS_CLIENT_TIMEOUT_SECONDS"]))
    heard = threading.Event()

    def ask() -> None:
        try:
            request.urlopen(server, timeout=seconds).close()  # noqa: S310 - the user's server
        except HTTPError:
            heard.set()
        except (OSError, ValueError):
            return
        else:
            heard.set()

    thread = threading.Thread(target=ask, daemon=True, name="crds probe")
    thread.start()
    thread.join(seconds)
    return heard.is_set()


class _Client:
    """The few calls of the ``crds`` package that are needed."""

    def __init__(self) -> None:
        self._set_environment()
        self.server = os.environ["CRDS_SERVER_URL"]
        # each question to a server that does not answer would take the full time-out
        if "serverless" not in self.server and not _answers(self.server):
            os.environ["CRDS_SERVER_URL"] = SERVERLESS
        # crds takes half a second to import and reads its environment when it does
        import crds  # noqa: PLC0415
        from crds.core import crds_cache_locking, heavy_client, log  # noqa: PLC0415
        from crds.core.exceptions import CrdsError  # noqa: PLC0415

        if "CRDS_VERBOSITY" not in os.environ:
            log.set_verbose(-3)  # what goes wrong is told by our own one line
        self._crds, self._heavy = crds, heavy_client
        self._locking = crds_cache_locking
        # without cache and server the client ends the program: SystemExit
        self.errors = (
            *(CrdsError, OSError, LookupError, ValueError, SystemExit),
            ImportError,
        )

    @staticmethod
    def _set_environment() -> None:
        """Fill in what the user left open, or empty, as STScI's instructions say."""
        usual = {
            "CRDS_PATH": str(Path.home() / "crds_cache"),
            "CRDS_SERVER_URL": "https://jwst-crds.stsci.edu",
            "CRDS_CLIENT_TIMEOUT_SECONDS": str(NETWORK_TIMEOUT_S),
        }
        for name, value in usual.items():
            if not os.environ.get(name, "").strip():
                os.environ[name] = value

    def context_name(self, wanted: str) -> str:
        """Return the context in force.

        Without a server and without a choice of the user it is the one that the cache
        was last synchronised with. The client itself would ask the server three more
        times for it, each with the full time-out.
        """
        chosen = wanted or os.environ.get("CRDS_CONTEXT", "")
        if not chosen:
            info = self._heavy.get_config_info("jwst")
            if not info.connected:
                latest = info.get("latest_context") or info["operational_context"]
                return str(latest)
        return str(self._heavy.get_context_name("jwst", chosen or None))

    def first_failure(
        self, parameters: dict[str, Any], kinds: tuple[str, ...], wanted: str
    ) -> tuple[tuple[str, ...], str]:
        """Return the first type that cannot be found, and why; all types, if none can."""
        try:
            context = self.context_name(wanted)
        except self.errors as error:
            return kinds, _one_line(error)
        for kind in kinds:
            try:
                self.references(parameters, (kind,), context)
            except self.errors as error:
                return (kind,), _one_line(error)
        return kinds, ""

    def references(
        self, parameters: dict[str, Any], kinds: tuple[str, ...], context: str
    ) -> dict[str, str]:
        """Return the path of each type; one process at a time fills the cache."""
        # the context goes in by name, so that the client asks nobody for it again
        # the client's downloads have no time-out of their own
        usual = socket.getdefaulttimeout()
        socket.setdefaulttimeout(NETWORK_TIMEOUT_S)
        try:
            with self._locking.get_cache_lock():
                answers: dict[str, str] = self._crds.getreferences(
                    parameters, reftypes=kinds, context=context, observatory="jwst"
                )
        finally:
            socket.setdefaulttimeout(usual)
        return answers

    def sha1_on_record(self, name: str) -> str | None:
        """Return the sha1 that CRDS has on record, None where it has none."""
        entry = self._records().get(name, {})
        sha1 = entry.get("sha1sum", "") if isinstance(entry, dict) else ""
        return str(sha1) if sha1 not in ("", "none") else None

    @cache  # noqa: B019 - there is one client, as long as the process
    def _records(self) -> dict[str, Any]:
        """Return sizes and sha1 of all files, as the server last told them."""
        packed = self._heavy.get_config_info("jwst").get("download_metadata")
        if packed is None:
            return {}
        from crds.client import proxy  # noqa: PLC0415

        records: dict[str, Any] = proxy.crds_decode(packed)
        return records


@cache
def _client() -> _Client:
    """Return the one client of this process."""
    return _Client()
