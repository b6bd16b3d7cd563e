"""Does an image look like those that a model was made for? Answers are warnings for a person and never stop anything."""

from __future__ import annotations

import numpy as np

from MedSegDLLib.geometry import Geometry
from MedSegDLLib.model_card import ModelCard


def unlike_expected(geometry: Geometry, card: ModelCard) -> tuple[str, ...]:
    """A sentence for everything about the grid that lies outside of what the card expects; usually none.

    In-plane are the two axes other than that of the largest spacing (the last one of equals).
    """
    across = 2 - int(np.argmax(geometry.spacing_zyx))
    in_plane = [axis for axis in range(3) if axis != across]
    spacing = [geometry.spacing[axis] for axis in in_plane]
    extent = [geometry.spacing[axis] * geometry.size[axis] for axis in in_plane]
    return tuple(
        f"The image has {what} of {values[0]:.4g} × {values[1]:.4g} mm, but the model '{card.id}' was made for "
        f"{limits[0]:.4g} to {limits[1]:.4g} mm: check the result with care."
        for what, values, limits in (
            ("pixels", spacing, card.expected.spacing_mm),
            ("a field of view", extent, card.expected.field_of_view_mm),
        )
        if limits is not None and not (limits[0] <= min(values) and max(values) <= limits[1])
    )
