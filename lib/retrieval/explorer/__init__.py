"""A title and what each system finds for it, side by side: the first pictures and what moved.

`Gallery` answers, `render` draws an answer as HTML, `Explorer` is the notebook view of both.
"""

from __future__ import annotations

import ipywidgets as widgets

from lib.retrieval.explorer.gallery import Answer, Gallery, Hits, System
from lib.retrieval.explorer.page import render

__all__ = ["Answer", "Explorer", "Gallery", "Hits", "System", "render"]


class Explorer:
    """Notebook view: a box for a title, a button for the next test title, the answer below."""

    def __init__(self, gallery: Gallery, start: str = "") -> None:
        """Build the widgets; `view` is what a notebook displays. start: the first title."""
        self.gallery, self.order = gallery, list(gallery.titles)
        self.answer = gallery.ask("")
        self.box = widgets.Combobox(
            options=self.order, placeholder="type a title or pick one", continuous_update=False,
            description="title", layout={"width": "60%"},
        )  # fmt: skip
        self.next = widgets.Button(description="next title", disabled=not self.order)
        self.count = widgets.BoundedIntText(
            gallery.shown, min=1, max=20, description="pictures", layout={"width": "150px"}
        )
        self.output, self.message = widgets.HTML(), widgets.Label()
        self.box.observe(lambda change: self.submit(change["new"]), names="value")
        self.count.observe(lambda change: self.show(change["new"]), names="value")
        self.next.on_click(lambda _: self.step())
        row = widgets.HBox([self.box, self.next, self.count])
        self.view = widgets.VBox([row, self.message, self.output])
        self.submit("")
        self.box.value = start

    def submit(self, text: str) -> None:
        """Search with a text and show the answer."""
        self.answer = self.gallery.ask(text)
        known = self.answer.right is not None
        note = "" if known or not text.strip() else "not a test title: no picture counts as right"
        self.message.value = note
        self.output.value = render(self.gallery, self.answer)

    def step(self) -> None:
        """Go to the test title after the present one, from the last to the first."""
        at = self.order.index(self.answer.text) if self.answer.text in self.order else -1
        self.box.value = self.order[(at + 1) % len(self.order)]

    def show(self, count: int) -> None:
        """Show this many pictures a system."""
        self.gallery.shown = count
        self.submit(self.answer.text)
