"""Devices that a training can be planned for: what their makers say of memory, speed and links."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from danlu.refusal import Refusal

GB = 10**9


@dataclass(frozen=True)
class Accelerator:
    """One device.

    - `memory`: bytes; `rate`: dense operations a second in bfloat16, or in float16 where there is none.
    - `single`: operations a second in float32 itself; products are never rounded to TF32.
    - `link`: bytes a second that it sends to others of its machine; `network`: to other machines.
    - `fused`: whether torch has fused kernels of attention and dropout for it.
    """

    name: str
    memory: float
    rate: float
    single: float
    link: float
    network: float
    fused: bool = True

    def speed(self, precision: str) -> float:
        """Operations a second in a number format."""
        return self.single if precision == "float32" else self.rate


KNOWN = {
    device.name: device
    for device in (
        # their makers tell links both ways together; here it is one way
        # NVIDIA A100 datasheet, 2021: 80 GB SXM, 312 TFLOPS bf16, 19.5 float32, NVLink 600 GB/s; HDR 200 Gb/s
        Accelerator("a100", 80 * GB, 312e12, 19.5e12, 300 * GB, 25 * GB),
        # the same of 40 GB
        Accelerator("a100-40", 40 * GB, 312e12, 19.5e12, 300 * GB, 25 * GB),
        # NVIDIA H100 datasheet, 2023: SXM, 80 GB, 989 TFLOPS bf16 dense, 67 float32, NVLink 900 GB/s; NDR 400 Gb/s
        Accelerator("h100", 80 * GB, 989e12, 67e12, 450 * GB, 50 * GB),
        # NVIDIA H200 datasheet, 2024: 141 GB, the speed and the links of H100
        Accelerator("h200", 141 * GB, 989e12, 67e12, 450 * GB, 50 * GB),
        # NVIDIA Ada whitepaper, 2022: 24 GB, 165 TFLOPS bf16 dense with float32 sums, 82.6 float32; PCIe 4.0 x16
        Accelerator("4090", 24 * GB, 165e12, 82.6e12, 32 * GB, 3 * GB),
        # NVIDIA L40S datasheet, 2023: 48 GB, 362 TFLOPS bf16 dense, 91.6 float32; PCIe 4.0 x16
        Accelerator("l40s", 48 * GB, 362e12, 91.6e12, 32 * GB, 12.5 * GB),
        # NVIDIA V100 datasheet, 2018: 32 GB SXM2, 125 TFLOPS float16, 15.7 float32, NVLink 300 GB/s; EDR 100 Gb/s
        Accelerator("v100", 32 * GB, 125e12, 15.7e12, 150 * GB, 12.5 * GB),
        # Huawei Atlas 800T A2, 2023: Ascend 910B, 64 GB, 313 TFLOPS float16 or more by model, 56 GB/s to each of 7
        Accelerator("910b", 64 * GB, 313e12, 75e12, 196 * GB, 25 * GB),
        # a server of two sockets with AVX512-BF16 or AMX, of which a third was measured: 256 GB; 100 Gb/s Ethernet
        Accelerator("cpu", 256 * GB, 5e12, 2e12, 12.5 * GB, 12.5 * GB, fused=False),
    )
}
"""By name."""

PLAIN = 1 / 4  # of the rate: that in float32 where nobody tells it; 4090 a half, l40s a quarter, h100 a fifteenth
FIELDS = ("memory", "tflops", "link", "network")
_WRITTEN = re.compile(r"(?:(\d+)\s*[x*×])?\s*([\w.-]+)((?:,\w+=[\d.]+)*)", re.IGNORECASE)


def devices(text: str) -> tuple[int, Accelerator]:
    """How many devices of which sort: `64xh100`, `a100`, or by fields `8xmine,memory=48,tflops=200,link=64,network=12`.

    Memory in GB of 10^9, links in GB/s. Fields of a known device replace what is known.

    Raises:
        Refusal: it cannot be read, or there is no such device.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if not found or int(found[1] or 1) < 1:
        raise Refusal(f"--devices {text}: write how many of which sort, such as 64xh100, or 'this' for this machine")
    name = found[2].lower().removeprefix("ascend-")
    given = _fields(text, found[3])
    if name not in KNOWN and not {"memory", "tflops"} <= given.keys():
        close = get_close_matches(name, KNOWN, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise Refusal(
            f"--devices {text}: '{name}' is not known; {hint}there are {', '.join(KNOWN)}, or give its fields: "
            f"{name},memory=48,tflops=200,link=64,network=12 (GB, TFLOP/s, GB/s)"
        )
    known = KNOWN.get(name, Accelerator(name, 0, 0, 0, 32 * GB, 3 * GB))
    rate = given.get("tflops", known.rate / 1e12) * 1e12
    return int(found[1] or 1), Accelerator(
        name,
        given.get("memory", known.memory / GB) * GB,
        rate,
        known.single * rate / known.rate if known.rate else rate * PLAIN,
        given.get("link", known.link / GB) * GB,
        given.get("network", known.network / GB) * GB,
        known.fused,
    )


def _fields(text: str, written: str) -> dict[str, float]:
    given = {}
    for pair in filter(None, written.split(",")):
        name, _, number = pair.partition("=")
        digits = number.replace(".", "", 1)
        if name not in FIELDS or not digits.isdigit() or not float(number):
            raise Refusal(f"--devices {text}: '{pair}' is none of {', '.join(FIELDS)}, each with a number above 0")
        given[name] = float(number)
    return given
