"""The paper's other systems: TIB-VA, Ext-PIE-Net, VisualBERT, LXMERT, ViLT, and CMML.

What they read of memes is made once by `python -m lib.memes.rivals` (lib.memes.rivals.features);
`fit` trains one of them, as lib.memes.systems.fit_seeds asks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib.memes.draws import Draw
    from lib.memes.systems import Fitted, Inputs, Settings, System

FITS = {
    "tib_va": "lib.memes.rivals.tibva:fit",
    "ext_pie_net": "lib.memes.rivals.extpie:fit",
    "visualbert": "lib.memes.rivals.joint:fit",
    "lxmert": "lib.memes.rivals.joint:fit",
    "vilt": "lib.memes.rivals.joint:fit",
}  # imported when asked for: the last three need transformers
JOINT = ("visualbert", "lxmert", "vilt")
UNTRAINED = "code path only"


def fit(system: System, inputs: Inputs, draw: Draw, seed: int, settings: Settings) -> Fitted:
    """Train the rival `system.method`; see lib.memes.systems.fit_seeds."""
    module, _, name = FITS[system.method].partition(":")
    return getattr(import_module(module), name)(system, inputs, draw, seed, settings)


def remarks(settings: Settings, manifest: dict[str, Any]) -> dict[str, str]:
    """What a table says beside each system that does not run as published; "" is none.

    `manifest` of the cached features. A system marked UNTRAINED is left out of rankings.
    """
    towers = manifest["towers"]
    image, text = (towers[kind].get("stands_in", "") for kind in ("image", "text"))
    out = {
        "cmml_origin": image,
        "ext_pie_net": ", ".join(one for one in (image, text) if one),
        "tib_va": "",
    }
    for name in JOINT:
        out[name] = "" if getattr(settings.rivals, name).checkpoint else UNTRAINED
    if "detector" not in towers and not out["visualbert"]:
        out["visualbert"] = out["lxmert"] = "grid cells for regions"
    return out
