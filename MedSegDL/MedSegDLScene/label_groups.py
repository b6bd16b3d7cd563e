"""The labels of a model in groups that a person looks for: "Left hand", "Right ribs", "Spine"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from MedSegDLLib.labels import Code, Label, LabelTable

_FEW = 8  # labels that one reads faster than groups of them
_SIDES = {"left": "Left", "right": "Right", "l": "Left", "r": "Right"}
# A word of a label's name (its beginning) and the part of the body that it belongs to; the first that fits counts.
_PARTS = (
    ("Brain", "brain lobe cortex gyrus cerebr cerebell hippocamp thalam putamen caudate amygdala pallid"),
    ("Hand", "hand carpal metacarpal scaphoid lunate triquetr pisiform trapezi trapezoid capitate hamate thumb finger"),
    ("Foot", "foot tarsal metatarsal calcane talus navicular cuboid cuneiform toe hallux"),
    ("Ribs", "rib ribs costal"),
    ("Spine", "vertebra vertebrae spine sacrum sacral coccyx atlas axis disc intervertebral"),
    ("Skull", "skull crani mandib maxill zygom frontal parietal occipital temporal sphenoid ethmoid hyoid teeth tooth"),
    ("Shoulder and arm", "humer radius ulna scapula clavic elbow forearm"),
    ("Hip and leg", "femur femoral tibia tibial fibula patell hip pelvis iliac ilium ischi pubi knee menisc acetabul"),
    ("Chest", "sternum manubr xiph lung bronch trachea"),
    ("Heart", "heart ventric ventricular atrium atrial myocard aort"),
    ("Abdomen", "liver spleen kidney pancrea stomach bladder gallbladder bowel colon duoden adrenal"),
    ("Fingers and toes", "phalan"),
)
_PART_OF_WORD = tuple((word, part) for part, words in _PARTS for word in words.split())
_VERTEBRA = re.compile(r"(?:c|t|th|l|s)\d{1,2}$")


def groupsOf(labels: LabelTable) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Groups and the names of their labels, each label once, in the table's order; ("", names) where groups would not help.

    A group is the part of the body and the side, as terminology says, else as the name does. The side is left out where
    one of them has less than two labels; labels that belong nowhere, and groups of one, are among "Others".
    """
    keys = {label: (_part(label), _side(label)) for label in labels.labels}
    both = _partsWithBothSides(keys.values())
    named = {label: _groupName(part, side if part in both else "") for label, (part, side) in keys.items()}
    sizes = Counter(named.values())
    if len(labels.labels) <= _FEW or len(sizes) < 2:
        return (("", tuple(label.name for label in labels.labels)),)
    groups: dict[str, list[str]] = {}
    for label, group in named.items():
        groups.setdefault(group if sizes[group] > 1 else "Others", []).append(label.name)
    others = groups.pop("Others", [])
    return tuple((group, tuple(names)) for group, names in {**groups, **({"Others": others} if others else {})}.items())


def matching(labels: LabelTable, search: str) -> tuple[str, ...]:
    """Names of the labels of which name, group or terminology have all words of `search`, in any order; all for no word."""
    groupOf = {name: group for group, names in groupsOf(labels) for name in names}
    return tuple(
        label.name
        for label in labels.labels
        if wordsFound(search, " ".join((label.name, groupOf[label.name], _part(label), *_meanings(label))))
    )


def wordsFound(search: str, text: str) -> bool:
    """Whether every word of `search` begins a word of `text`, whatever the order and the capitals; True for no word."""
    words = _words(text)
    return all(any(word.startswith(wanted) for word in words) for wanted in _words(search))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _part(label: Label) -> str:
    words = _words(label.name)
    if label.terminology and label.terminology.region:
        return label.terminology.region.meaning
    found = next((part for beginning, part in _PART_OF_WORD for word in words if word.startswith(beginning)), "")
    return found or ("Spine" if any(_VERTEBRA.match(word) for word in words) else "")


def _side(label: Label) -> str:
    """Left, Right or nothing: as the terminology's modifiers say, else as a word of the name."""
    if label.terminology:
        for code in (label.terminology.type_modifier, label.terminology.region_modifier):
            if code and (side := _SIDES.get(code.meaning.casefold())):
                return side
    return next((_SIDES[word] for word in _words(label.name) if word in _SIDES), "")


def _partsWithBothSides(keys: Iterable[tuple[str, str]]) -> set[str]:
    """Parts of the body that have at least two labels on each side."""
    counts = Counter(keys)
    return {part for part, _ in counts if part and min(counts[part, "Left"], counts[part, "Right"]) > 1}


def _groupName(part: str, side: str) -> str:
    if not part:
        return "Others"
    return f"{side} {part[0].lower()}{part[1:]}" if side else part


def _meanings(label: Label) -> list[str]:
    terminology = label.terminology
    codes: tuple[Code | None, ...] = ()
    if terminology:
        codes = (terminology.type, terminology.type_modifier, terminology.region, terminology.region_modifier)
    return [code.meaning for code in codes if code]
