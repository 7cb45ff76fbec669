"""Articles as chat messages, and messages as tensors with the answer marked.

One prompt, one order, the picture first, in training, few-shot examples and evaluation alike. The
answer is one word of the two that the prompt asks for. Only the tokens of the answer and of the
end of its turn are labels; everything before, the ~600 tokens of a constant prompt too, is not
learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from lib.data.images import load_rgb
from lib.vlm import VlmError, VlmQlora

ANSWERS = ("Unlikely", "Likely")  # by label
IGNORE = -100  # a position that is no label
QUESTION = "Is this article, taken together with its picture, likely to be biased or misleading?"
TECHNIQUES = """Look for techniques of persuasion.
In the text: loaded words; names that belittle; exaggeration or play-down; appeals to fear; \
appeals to flags or crowds; slogans; doubt thrown on persons; a single cause for much; only two \
ways out; blame turned around; authorities instead of reasons; facts that are left out.
In the picture: a moment that mocks or glorifies; colours and light that frighten; symbols of a \
side; a crop that hides what matters; a scene that has little to do with the text.
Then ask whether picture and text tell the same story."""
INSTRUCTION = f"Answer with one word: {ANSWERS[1]} or {ANSWERS[0]}."


class Article(NamedTuple):
    """What is asked about: a text, a picture file, and the label (1: likely) if it is known."""

    text: str
    image: Path
    label: int


@dataclass(frozen=True)
class Batch:
    """Inputs of the model by name, and labels (n, l): token ids of the answer, IGNORE elsewhere."""

    inputs: dict[str, Tensor]
    labels: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device."""
        moved = {name: value.to(device) for name, value in self.inputs.items()}
        return Batch(moved, self.labels.to(device))


def prompt_of(text: str, settings: VlmQlora) -> str:
    """Return what the user says after the picture; the text is cut from its end, by words."""
    checklist = [TECHNIQUES] if settings.prompt == "checklist" else []
    shown = " ".join(text.split()[: settings.words])
    return "\n\n".join([QUESTION, *checklist, f"Article: {shown}", INSTRUCTION])


def messages(
    article: Article, settings: VlmQlora, shots: Sequence[Article] = ()
) -> list[dict[str, Any]]:
    """Return the conversation up to the question about `article`, shots answered before it."""
    out = []
    for one in (*shots, article):
        text = {"type": "text", "text": prompt_of(one.text, settings)}
        out.append({"role": "user", "content": [{"type": "image"}, text]})
        if one is not article:
            out.append(_said(ANSWERS[one.label]))
    return out


def encode(
    processor: Any,
    articles: Sequence[Article],
    answers: Sequence[str],
    settings: VlmQlora,
    shots: Sequence[Article] = (),
) -> Batch:
    """Return the batch of articles, each with an answer and the end of its turn.

    Rows are padded on the right. Raises VlmError where the tokenizer joins prompt and answer.
    """
    if processor is None:
        raise VlmError("processor: none was given; a picture cannot be shown without it")
    pairs = [
        _rendered(processor, messages(article, settings, shots), answer)
        for article, answer in zip(articles, answers, strict=True)
    ]
    files = {one.image for one in (*shots, *articles)}
    pictures = {file: _picture(file, settings.image_size) for file in files}
    images = [[pictures[one.image] for one in (*shots, article)] for article in articles]
    # The template has written the first token already: another one would shift every position.
    made = processor(
        text=[whole for _, whole in pairs], images=images, padding="longest", padding_side="right",
        add_special_tokens=False, return_tensors="pt",
    )  # fmt: skip
    made.pop("token_type_ids", None)
    labels = torch.full_like(made["input_ids"], IGNORE)
    lengths = made["attention_mask"].sum(1).tolist()
    for row, (pair, length) in enumerate(zip(pairs, lengths, strict=True)):
        start = length - _answer_tokens(processor.tokenizer, *pair)
        labels[row, start:length] = made["input_ids"][row, start:length]
    return Batch(dict(made), labels)


def _said(answer: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": answer}]}


def _rendered(processor: Any, asked: list[dict[str, Any]], answer: str) -> tuple[str, str]:
    """Return the prompt as text, and prompt, answer and the end of its turn as the template has it.

    Raises VlmError for a template that writes a question otherwise when it is answered.
    """
    prompt = processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    whole = processor.apply_chat_template([*asked, _said(answer)], tokenize=False)
    if not whole.startswith(prompt + answer):
        raise VlmError("chat template: an answered question does not begin as the open one does")
    return prompt, whole.rstrip("\n")


def _answer_tokens(tokenizer: Any, prompt: str, whole: str) -> int:
    """Return the number of tokens after the prompt; VlmError where a token crosses its end."""
    before, all_ = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, whole)
    )
    if all_[: len(before)] != before or len(all_) == len(before):
        raise VlmError("tokenizer: a token joins the end of the prompt with the answer")
    return len(all_) - len(before)


def _picture(file: Path, size: int) -> Image.Image:
    """Return a picture with its longest side at most `size` pixels; ImageError names a bad file."""
    image = load_rgb(file)
    image.thumbnail((size, size), Image.Resampling.BICUBIC)
    return image
