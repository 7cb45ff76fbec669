"""T5 and Marian by transformers: batches of similar length, cached, one usable rewrite a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, LogitsProcessorList
from transformers.utils import logging

from lib import paths
from lib.checkpoints import file_digest
from lib.retrieval.rewriting import RewritingError, Settings
from lib.retrieval.rewriting.cache import Cache
from lib.retrieval.rewriting.decoding import DiverseGreedy, Sampler, draws
from lib.retrieval.rewriting.guard import Guard

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
SLICE = 1 << 17  # texts at a time: candidates of millions of titles would fill the memory
PROMPT_LENGTH = 512  # tokens read of a text; T5 and OPUS-MT were trained with no more


class Seq2SeqRewriter:
    """Rewrites by an encoder-decoder; the model is loaded when a text is not in the cache."""

    def __init__(self, settings: Settings, guard: Guard) -> None:
        """Check the device and look at a local folder; nothing is loaded yet."""
        self.settings, self.guard, self.decoding = settings, guard, settings.decoding
        if settings.device.startswith("cuda") and not torch.cuda.is_available():
            raise RewritingError(f"device: {settings.device!r}: torch finds no CUDA device here")
        folder = paths.resolve(settings.model)
        self.source = str(folder) if folder.is_dir() else settings.model
        self.cache = Cache(settings.cache, self._signature(folder)) if settings.cache else None

    def rewrite(self, texts: Sequence[str]) -> list[str | None]:
        """One rewrite a text, in order: its first usable candidate, or None."""
        found: list[str | None] = []
        for first in range(0, len(texts), SLICE):
            found += self._rewrite(texts[first : first + SLICE])
        return found

    def _rewrite(self, texts: Sequence[str]) -> list[str | None]:
        wanted = list(dict.fromkeys(text for text in texts if text.strip()))
        known = self.cache.get(wanted) if self.cache else {}
        if len(known) < len(wanted):
            known |= self._generate_all(wanted, known)
        usable = self.guard.usable
        return [
            next((new for new in known.get(text, ()) if usable(text, new)), None) for text in texts
        ]

    def _generate_all(
        self, texts: list[str], known: Mapping[str, list[str]]
    ) -> dict[str, list[str]]:
        """Candidates of the texts that are not known, shortest first.

        Batches are laid out over all texts, so that a run that was killed goes on with the batches
        that it would have had: padding changes the last bits of a score.
        """
        tokenizer, _ = self._loaded
        lengths = [len(ids) for ids in tokenizer(texts)["input_ids"]]
        order = sorted(range(len(texts)), key=lambda i: (lengths[i], i))
        made: dict[str, list[str]] = {}
        with tqdm(total=len(texts), desc=f"rewriting ({self.settings.kind})", delay=5) as bar:
            for first in range(0, len(order), self.settings.batch):
                batch = [texts[i] for i in order[first : first + self.settings.batch]]
                if any(text not in known for text in batch):
                    found = dict(zip(batch, self._generate(batch), strict=True))
                    fresh = {text: found[text] for text in batch if text not in known}
                    if self.cache:
                        self.cache.put(fresh)
                    made |= fresh
                bar.update(len(batch))
        return made

    def _generate(self, texts: list[str]) -> list[list[str]]:
        """Candidates of one batch, best first."""
        tokenizer, model = self._loaded
        decoding, count = self.decoding, self.decoding.candidates
        prompts = [decoding.prefix + text for text in texts]
        inputs = tokenizer(
            prompts, return_tensors="pt", padding=True, truncation=True, max_length=PROMPT_LENGTH
        ).to(self.settings.device)
        inputs.pop("token_type_ids", None)
        with torch.inference_mode(), self._autocast():
            if decoding.mode == "beam":
                out = model.generate(**inputs, **self._options(count))
            else:  # candidates are rows of their own
                repeated = {key: value.repeat_interleave(count, 0) for key, value in inputs.items()}
                processor = LogitsProcessorList([self._processor(texts)])
                out = model.generate(
                    **repeated, logits_processor=processor, **self._options(1)
                )  # fmt: skip
        found = tokenizer.batch_decode(out, skip_special_tokens=True)
        found = [" ".join(text.split()) for text in found]
        return [found[i : i + count] for i in range(0, len(found), count)]

    def _options(self, returned: int) -> dict[str, Any]:
        return {
            "max_new_tokens": self.decoding.max_length,
            "num_beams": self.decoding.beams,
            "num_return_sequences": returned,
            "do_sample": False,
        }

    def _processor(self, texts: list[str]) -> Any:
        if self.decoding.mode == "diverse":
            return DiverseGreedy(self.decoding, self._loaded[1].generation_config.eos_token_id)
        steps = self.decoding.max_length
        uniforms = draws(texts, self.decoding.candidates, steps, self.settings.seed)
        return Sampler(self.decoding, uniforms)

    def _autocast(self) -> Any:
        if self.settings.precision == "fp32":
            return nullcontext()
        return torch.autocast("cuda", dtype=HALF[self.settings.precision])

    def _signature(self, folder: Path) -> dict[str, object]:
        """What a cached rewrite depends on besides its text."""
        weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
        model = (
            file_digest(weights) if weights else f"{self.settings.model}@{self.settings.revision}"
        )
        seed = self.settings.seed if self.decoding.mode == "sample" else 0
        precision = self.settings.precision
        return {"model": model, "seed": seed, "precision": precision} | self.decoding.signature()

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """Tokenizer and model; RewritingError, one line, names what is missing."""
        settings = self.settings
        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.source, revision=settings.revision)
            model = AutoModelForSeq2SeqLM.from_pretrained(self.source, revision=settings.revision)
        except (OSError, ValueError, ImportError) as error:
            reason = " ".join(str(error).split())[:240]
            raise RewritingError(
                f"model: {settings.model!r} cannot be loaded ({reason}); "
                "put its folder there or make it available to transformers"
            ) from None
        finally:
            if bars:
                logging.enable_progress_bar()
        return tokenizer, model.to(settings.device).eval()
