"""Pictures with sentences. Sentences are HTML, in both languages: figures on bare machines lack Chinese glyphs."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.image import imsave
from torch import Tensor

from vlmlearn.world.captions import captions
from vlmlearn.world.scenes import Scenes

_GAP = 14  # pixels between figures
Images = UInt8[np.ndarray, "batch 3 side side"] | UInt8[Tensor, "batch 3 side side"]


@dataclass(frozen=True)
class Html:
    """Something to see in a notebook; in a terminal, its plain text."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def picture_grid(images: Images, scenes: Scenes, *, variant: int = 0, size: int = 170) -> Html:
    """Pictures, each with its sentence in Chinese and in English.

    Args:
        images: raw pixels.
        scenes: what they show, one scene a picture.
        variant: which of the sentences (see ``vlmlearn.world.captions``).
        size: width of a picture on the screen, in pixels.

    Raises:
        ValueError: another number of pictures than of scenes.
    """
    if len(images) != len(scenes):
        raise ValueError(f"{len(images)} images for {len(scenes)} scenes: pass the same slice of both")
    both = _sentences(scenes, variant)
    figures = [
        _figure(_picture(image, pair, size), _lines(pair), size)
        for image, pair in zip(images, both, strict=True)
    ]
    return _row(figures, "\n".join(f"{zh}  {en}" for zh, en in both), size, columns=4)


def matching_game(images: Images, scenes: Scenes, order: Sequence[int]) -> Html:
    """Numbered pictures, and below them their sentences in another order, with letters: who belongs to whom?

    Args:
        images, scenes: at most 26 of each.
        order: A is the sentence of scene ``order[0]``, B that of ``order[1]``, and so on.

    Raises:
        ValueError: too many pictures, or an order that is no order of all of them.
    """
    if sorted(order) != list(range(len(scenes))) or len(images) != len(scenes) or len(scenes) > 26:
        raise ValueError(
            f"order is {list(order)} for {len(images)} images and {len(scenes)} scenes: expected every number "
            "below the number of scenes once, and at most 26 of them"
        )
    figures = [
        _figure(_picture(image, (f"图 {k}", f"picture {k}"), 128), f"<b>{k}</b>", 128)
        for k, image in enumerate(images, 1)
    ]
    both = _sentences(scenes, 0)
    lettered = [(chr(ord("A") + k), both[scene]) for k, scene in enumerate(order)]
    row = _row(figures, "\n".join(f"{letter}  {zh}  {en}" for letter, (zh, en) in lettered), 128, columns=4)
    sentences = "".join(
        f'<p style="margin:6px 0"><b>{letter}</b> {_lines(pair)}</p>' for letter, pair in lettered
    )
    return Html(f'{row.html}<div style="font-size:13px;text-align:left">{sentences}</div>', row.text)


def retrieval_panel(
    images: Images, scenes: Scenes, similarity: Float[Tensor, "images texts"], queries: Sequence[int]
) -> Html:
    """For some pictures, the sentence that the model finds most similar: ✓ its own, ✗ another's.

    Args:
        images, scenes: the gallery; sentence i is variant 0 of scene i.
        similarity: picture i against sentence j.
        queries: which pictures to show.

    Raises:
        IndexError: a query outside the gallery.
    """
    _require_members(queries, len(scenes))
    both, rows = _sentences(scenes, 0), []
    for query in queries:
        best = int(similarity[query].argmax())
        rank = 1 + int((similarity[query] > similarity[query, query]).sum())
        verdict = "✓" if best == query else "✗"
        lines = f"<b>{verdict}</b> {_lines(both[best])}<small>cos {similarity[query, best]:.2f}</small>"
        if best != query:
            lines += (
                f"<hr><b>#{rank}</b> {_lines(both[query])}<small>cos {similarity[query, query]:.2f}</small>"
            )
        rows.append(_figure(_picture(images[query], both[query], 128), lines, 190))
    return _row(rows, f"{len(queries)} pictures with the sentence found for each", 190, columns=3)


def search_panel(
    images: Images, scenes: Scenes, similarity: Float[Tensor, "images texts"], query: int, top: int = 5
) -> Html:
    """For one sentence, the pictures that the model finds most similar, best first; ✓ marks the right one.

    Args:
        images, scenes, similarity: as in ``retrieval_panel``.
        query: which sentence.
        top: how many pictures.
    """
    _require_members([query], len(scenes))
    both = _sentences(scenes, 0)
    figures = []
    for found in similarity[:, query].topk(top).indices.tolist():
        verdict = "✓" if found == query else "✗"
        line = f"<b>{verdict}</b> <small>cos {similarity[found, query]:.2f}</small>"
        figures.append(_figure(_picture(images[found], both[found], 110), line, 110))
    row = _row(figures, f"{both[query][0]}  {both[query][1]}: the {top} best pictures", 110, columns=top)
    return Html(f"<p>{_lines(both[query])}</p>{row.html}", row.text)


def _sentences(scenes: Scenes, variant: int) -> list[tuple[str, str]]:
    return list(zip(*(captions(scenes, lang, variant=variant) for lang in ("zh", "en")), strict=True))


def _require_members(queries: Sequence[int], gallery: int) -> None:
    outside = [q for q in queries if not 0 <= q < gallery]
    if outside:
        raise IndexError(f"query {outside[0]} is not in the gallery of {gallery}: use 0 to {gallery - 1}")


def _lines(pair: tuple[str, str]) -> str:
    zh, en = pair
    return f'<span lang="zh">{escape(zh)}</span><br><span lang="en">{escape(en)}</span><br>'


def _picture(image: np.ndarray | Tensor, alt: tuple[str, str], size: int) -> str:
    buffer = BytesIO()
    nameless: Any = {"Software": None}  # the same bytes, whatever wrote them
    imsave(buffer, np.asarray(image).transpose(1, 2, 0), format="png", metadata=nameless)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img src="data:image/png;base64,{data}" alt="{escape(" · ".join(alt))}" width="{size}" height="{size}" '
        'style="image-rendering:pixelated">'
    )


def _figure(picture: str, caption: str, width: int) -> str:
    return (
        f'<figure style="width:{width}px;margin:0">{picture}'
        f'<figcaption style="font-size:12px;line-height:1.4;text-align:left">{caption}</figcaption></figure>'
    )


def _row(figures: list[str], text: str, width: int, columns: int) -> Html:
    """Figures of this width side by side, at most ``columns`` of them, fewer where the page is narrow."""
    style = f"display:flex;flex-wrap:wrap;gap:{_GAP}px;max-width:{columns * (width + _GAP)}px"
    return Html(f'<div style="{style}">{"".join(figures)}</div>', text)
