"""The two sample encoders: EfficientNet-Lite0 and MiniLM, aligned on composed scenes.

    python -m lib.sample.clip --config params.yaml --out artefacts/sample/models

`sample_clip_l` sees scenes of the first artists only, `sample_clip_h` of both and with heavier
degradation. Both are open_clip `local-dir` models. All weights come from pip packages; nothing is
downloaded. Only the projections and the last blocks learn, from activations cached at a frozen
boundary, so a CPU does it in about a minute each.
"""
