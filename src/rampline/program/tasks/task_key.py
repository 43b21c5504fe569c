"""When a product need not be made again.

A task's key is a hash of what determines its result: the content of its inputs, its
parameters, its reference files, and the source files that it imports. The key stands in
the product's header (TASKKEY), so a product says by itself whether it is up to date.
"""

import hashlib
from collections.abc import Iterable

from ...exposure.planes import UsedFile
from ...files.source_code import source_hash
from ...params import Params


def make_key(
    module: str,
    inputs: Iterable[str],
    params: Params,
    used: Iterable[UsedFile] = (),
) -> str:
    """Hash what determines a task's result.

    Parameters
    ----------
    module : str
        Module whose code makes the product, relative to the package: ``pipeline.ramp_to_slope``.
    inputs : iterable of str
        Content hashes of the inputs, and options that are no parameters, in a fixed order.
    params : Params
    used : iterable of UsedFile

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    parts = [
        module,
        source_hash(module),
        *inputs,
        params.model_dump_json(),
        *(f"{file.kind}={file.sha1}" for file in sorted(used)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
