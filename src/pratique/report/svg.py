"""The boundary map: who says what to this application, and whom it asks, as SVG."""

from html import escape
from typing import Final

from .blocks import visible
from .evidence import BoundaryFacts, ClaimFacts

OUTBOUND: Final = frozenset({"partner", "fetch"})
"""Kinds at which this application speaks first."""
_WIDTH, _PARTY, _BOX, _APP = 1120, 170, 210, 110
_ROW, _GAP, _TOP = 88, 20, 12
_FITS: Final = {_PARTY: 21, _BOX: 28, _APP: 13}
"""How many characters a line of a box holds, by its width."""


def map_of(of: str, boundaries: tuple[BoundaryFacts, ...]) -> str:
    """Return the map: parties, crossings, this application, and whom it asks.

    Args:
        of: The application's name.
        boundaries: As they are declared. What isn't enforced has a broken frame.
    """
    inward = [each for each in boundaries if each.kind not in OUTBOUND]
    outward = [each for each in boundaries if each.kind in OUTBOUND]
    rows = max(len(inward), len(outward), 1)
    height = 2 * _TOP + rows * (_ROW + _GAP) - _GAP
    app_x = (_WIDTH - _APP) // 2
    drawn = [_box(app_x, _TOP, _APP, height - 2 * _TOP, [of, "this app"])]
    for row, each in enumerate(inward):
        y = _TOP + row * (_ROW + _GAP)
        box_x = _PARTY + 40
        drawn += [
            _box(10, y, _PARTY, _ROW, [each.origin]),
            _arrow(10 + _PARTY, box_x, y),
            _crossing(box_x, y, each),
            _arrow(box_x + _BOX, app_x, y),
        ]
    for row, each in enumerate(outward):
        y = _TOP + row * (_ROW + _GAP)
        box_x, party_x = app_x + _APP + 30, _WIDTH - _PARTY - 10
        drawn += [
            _arrow(app_x + _APP, box_x, y),
            _crossing(box_x, y, each),
            _arrow(box_x + _BOX, party_x, y),
            _box(party_x, y, _PARTY, _ROW, [destination(each)]),
        ]
    told = (
        f"{len(inward)} boundaries lead in, {len(outward)} lead out. The table after the map says "
        "the same in words."
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="map-title map-desc" '
        'xmlns="http://www.w3.org/2000/svg">\n'
        f'<title id="map-title">Boundary map of {_text(of)}</title>\n'
        f'<desc id="map-desc">{told}</desc>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>\n'
        f"{''.join(drawn)}</svg>\n"
    )


def destination(boundary: BoundaryFacts) -> str:
    """Return where an outgoing boundary leads, "" where it doesn't say."""
    return "; ".join(
        dict.fromkeys(
            claim.facts["outbound"] for claim in boundary.claims if "outbound" in claim.facts
        )
    )


def _crossing(x: int, y: int, boundary: BoundaryFacts) -> str:
    proven = sum(1 for each in boundary.owes if all(_has(claim, each) for claim in boundary.claims))
    lines = [
        boundary.name,
        f"{boundary.kind}, {boundary.mode.partition(' ')[0]}",
        f"{proven} of {len(boundary.owes)} owed are declared",
        f"roots: {len(boundary.controllers)}, owners: {len(set(boundary.controllers.values()))}",
    ]
    return _box(x, y, _BOX, _ROW, lines, is_open=boundary.mode != "enforced")


def _has(claim: ClaimFacts, obligation: str) -> bool:
    waived = any(each.obligation == obligation for each in claim.waivers)
    return not waived and any(each.obligation == obligation for each in claim.proofs)


def _box(
    x: int, y: int, width: int, height: int, lines: list[str], *, is_open: bool = False
) -> str:
    fits = _FITS[width]
    shown = [line for index, text in enumerate(lines) for line in _wrapped(text, fits, index)]
    top = y + height // 2 - 9 * (len(shown) - 1) + 5
    dim = ' class="dim"'
    texts = "".join(
        f'<text x="{x + width // 2}" y="{top + 18 * index}" text-anchor="middle"'
        f"{dim if is_dim else ''}>{_text(line)}</text>\n"
        for index, (line, is_dim) in enumerate(shown)
    )
    mark = ' class="open"' if is_open else ""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6"{mark}/>\n{texts}'


def _wrapped(text: str, fits: int, index: int) -> list[tuple[str, bool]]:
    """Return a text in at most four lines (the first of a box) or one, each short enough."""
    most = 4 if index == 0 and fits < _FITS[_BOX] else 1
    lines: list[str] = []
    rest = visible(text)
    while rest and len(lines) < most:
        if len(rest) <= fits:
            lines.append(rest)
            break
        cut = rest.rfind(" ", 0, fits + 1)
        cut = cut if cut > 0 else fits
        last = len(lines) == most - 1
        lines.append(f"{rest[: fits - 1]}…" if last else rest[:cut])
        rest = rest[cut:].lstrip()
    return [(line, index > 0) for line in lines]


def _arrow(start: int, end: int, y: int) -> str:
    middle = y + _ROW // 2
    return f'<path d="M{start} {middle}H{end}" marker-end="url(#tip)"/>\n'


def _text(text: str) -> str:
    return escape(visible(text), quote=True)
