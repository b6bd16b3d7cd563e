"""Documents of tests with one value changed."""

from __future__ import annotations

import copy


def with_value(document: dict, *path: str, to: object) -> dict:
    """A copy of `document` with the value at `path` replaced, or removed where `to` is ..."""
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return changed
