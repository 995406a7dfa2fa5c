"""What the processor computes in."""

import pathlib

_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # Intel and AMD, Intel, Arm


def computes_in_bfloat16() -> bool:
    """Whether it multiplies numbers in bfloat16, as far as Linux tells."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    features = [line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))]
    return any(_BFLOAT16.intersection(names) for names in features)
