"""Labels in groups that a person looks for, and their search."""

import pytest

from MedSegDLLib.labels import Code, Label, LabelTable, Terminology
from MedSegDLScene.label_groups import groupsOf, matching, wordsFound
from Testing.scene.examples import LABELS

_FINGERS = ("thumb", "index finger", "middle finger", "ring finger", "little finger")
_CARPALS = ("scaphoid", "lunate", "triquetrum", "pisiform", "trapezium", "trapezoid", "capitate", "hamate")


def _names():
    """125 bones of an upper body: 24 vertebrae, sacrum, 24 ribs, 54 of the hands, and the large ones."""
    names = [f"vertebra {level}" for level in (*(f"C{n}" for n in range(1, 8)), *(f"Th{n}" for n in range(1, 13)))]
    names += [*(f"vertebra L{n}" for n in range(1, 6)), "sacrum", "sternum", "manubrium", "skull", "mandible", "hyoid"]
    for side in ("left", "right"):
        names += [f"rib {n}, {side}" for n in range(1, 13)]
        names += [f"{bone}, {side}" for bone in ("clavicle", "scapula", "humerus", "radius", "ulna", "hip bone", "femur")]
        names += [f"{bone}, {side}" for bone in _CARPALS]
        names += [f"metacarpal {n}, {side}" for n in range(1, 6)]
        names += [f"{part} phalanx of {finger}, {side}" for finger in _FINGERS for part in ("proximal", "distal")]
        names += [f"middle phalanx of {finger}, {side}" for finger in _FINGERS[1:]]
        names += [f"patella, {side}"]
    return [*names, "coccyx"]


BONES = LabelTable(tuple(Label(value, name, (value, 0, 0)) for value, name in enumerate(_names(), start=1)))


def test_the_bones_of_an_upper_body_in_groups():
    assert len(BONES.labels) == 125
    groups = groupsOf(BONES)
    assert {group: len(names) for group, names in groups} == {
        "Spine": 26,
        "Chest": 2,
        "Skull": 3,
        "Left ribs": 12,
        "Left shoulder and arm": 5,
        "Left hip and leg": 3,
        "Left hand": 27,
        "Right ribs": 12,
        "Right shoulder and arm": 5,
        "Right hip and leg": 3,
        "Right hand": 27,
    }
    assert sorted(name for _, names in groups for name in names) == sorted(_names())
    assert dict(groups)["Left ribs"][:2] == ("rib 1, left", "rib 2, left")


@pytest.mark.parametrize("labels", [LABELS, LabelTable(BONES.labels[:1]), LabelTable(BONES.labels[:20]), LabelTable(())])
def test_few_labels_or_labels_of_one_kind_need_no_groups(labels):
    assert groupsOf(labels) == (("", tuple(label.name for label in labels.labels)),)


def test_terminology_says_part_and_side_whatever_the_name():
    def label(value, side):
        code = Code("SCT", "7771000", "Left") if side == "l" else Code("SCT", "24028007", "Right")
        hand = Code("SCT", "85562004", "Hand")
        bone = Terminology(Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "272673000", "Bone"), code, hand)
        return Label(value, f"os {value}", (0, 0, 0), bone)

    labels = LabelTable(tuple(label(value, "lr"[value % 2]) for value in range(1, 11)))
    assert [(group, len(names)) for group, names in groupsOf(labels)] == [("Right hand", 5), ("Left hand", 5)]
    assert matching(labels, "LEFT hand bone") == ("os 2", "os 4", "os 6", "os 8", "os 10")


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ("", 125),
        ("left ribs", 12),
        ("rib left", 12),
        ("ribs 3 left", 1),
        ("hand", 54),
        ("right hand", 27),
        ("vert", 24),
        ("spine", 26),
        ("L5", 1),
        ("thumb proximal", 2),
        ("liver", 0),
    ],
)
def test_search_takes_words_in_any_order_and_knows_the_groups(search, count):
    assert len(matching(BONES, search)) == count


def test_what_belongs_nowhere_or_is_alone_is_among_the_others_at_the_end():
    names = ["unknown", "liver", "hippocampus left", "hippocampus right", "temporal lobe", "tibia", "fibula", "a", "b"]
    labels = LabelTable(tuple(Label(n, name, (0, 0, 0)) for n, name in enumerate(names, start=1)))
    assert groupsOf(labels) == (
        ("Brain", ("hippocampus left", "hippocampus right", "temporal lobe")),
        ("Hip and leg", ("tibia", "fibula")),
        ("Others", ("unknown", "liver", "a", "b")),
    )


def test_words():
    assert wordsFound("VENT left", "Left ventricle")
    assert not wordsFound("tricle", "Left ventricle")
    assert not wordsFound("left atrium", "Left ventricle")
