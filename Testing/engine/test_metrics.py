"""Agreement of label maps: values worked out by hand, then SimpleITK as reference implementation."""

import json
import math
from dataclasses import astuple

import numpy as np
import pytest
import SimpleITK as sitk

from MedSegDLLib.errors import InputError
from MedSegDLLib.evaluation import detection_ratio, group_figures, root_mean_square, spread
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.metrics import Overlap, coefficient_of_variation, dice, evaluate, overlap
from MedSegDLLib.surface_distance import surface_distances, surface_of

SHAPE = (12, 20, 24)
DISTANCES = ("surface_distance_mean_mm", "surface_distance_std_mm", "hausdorff_mm", "hd95_mm")


def box(*bounds: tuple[int, int], shape=SHAPE) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*bound) for bound in bounds)] = True
    return mask


def ball(radius_mm: float, spacing_zyx: tuple[float, float, float], shape: tuple[int, int, int]) -> np.ndarray:
    grids = np.ogrid[tuple(slice(n) for n in shape)]
    centre = [(n - 1) / 2 for n in shape]
    return sum(((g - c) * s) ** 2 for g, c, s in zip(grids, centre, spacing_zyx, strict=True)) <= radius_mm**2


def labelmap(array: np.ndarray, spacing=(1.0, 1.0, 1.0), **grid) -> LabelMap:
    return LabelMap(array.astype(np.uint8), Geometry(array.shape[::-1], spacing, **grid))


def only_row(result: dict) -> dict:
    (row,) = result["labels"]
    return row


# Overlap


def test_overlap_by_hand():
    # 4 x 5 x 6 = 120 voxels each, shifted by two along x: 80 in common, 160 in either.
    counts = overlap(box((2, 6), (3, 8), (4, 10)), box((2, 6), (3, 8), (6, 12)))
    assert counts == Overlap(120, 120, 80)
    assert counts.dice == pytest.approx(160 / 240)
    assert counts.jaccard == pytest.approx(80 / 160)
    assert counts.volumetric_overlap_error == pytest.approx(0.5)
    assert counts.precision == counts.recall == pytest.approx(80 / 120)
    assert counts.coefficient_of_variation == 0


def test_precision_and_recall_are_not_mixed_up():
    counts = Overlap(reference=10, prediction=40, intersection=8)
    assert (counts.precision, counts.recall) == (0.2, 0.8)


def test_coefficient_of_variation_by_hand():
    # Volumes 3 and 5 ml: mean 4, standard deviation 1.
    assert coefficient_of_variation(3, 5) == coefficient_of_variation(5, 3) == 0.25
    assert coefficient_of_variation(3, 5) == pytest.approx(np.std([3, 5]) / np.mean([3, 5]))
    assert root_mean_square([0.3, None, 0.4]) == pytest.approx(math.sqrt(0.125))


def test_overlap_equals_simpleitk():
    random = np.random.default_rng(1)
    reference, prediction = (random.random((2, *SHAPE)) < [[[[0.3]]], [[[0.5]]]]).astype(np.uint8)
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(sitk.GetImageFromArray(prediction), sitk.GetImageFromArray(reference))
    row = only_row(evaluate(labelmap(reference), labelmap(prediction)))
    assert row["dice"] == pytest.approx(measures.GetDiceCoefficient())
    assert row["jaccard"] == pytest.approx(measures.GetJaccardCoefficient())
    assert row["recall"] == pytest.approx(1 - measures.GetFalseNegativeError())


# Surfaces


def test_area_of_a_cube_by_hand():
    # Marching cubes bevels the 12 edges of a cube of n voxels (strips n - 1 long, √½ wide) and its 8 corners (triangles).
    n = 5
    expected = 6 * (n - 1) ** 2 + 12 * (n - 1) * math.sqrt(0.5) + 8 * math.sqrt(3) / 4 * 0.5
    assert surface_of(box((2, 7), (2, 7), (2, 7)), (1, 1, 1)).areas.sum() == pytest.approx(expected)


@pytest.mark.parametrize(("spacing_zyx", "excess"), [((1.0, 1.0, 1.0), 1.12), ((4.0, 1.0, 0.5), 1.27)])
def test_area_of_a_ball_is_near_the_sphere(spacing_zyx, excess):
    shape = tuple(round(50 / s) for s in spacing_zyx)
    area = surface_of(ball(20, spacing_zyx, shape), spacing_zyx).areas.sum()
    # Stairs add to a binary surface, the more the flatter the voxels; counting voxel faces would give 1.5.
    assert 1.0 < area / (4 * math.pi * 20**2) < excess


@pytest.mark.parametrize(("axis", "expected"), [(0, 16.0), (1, 3.0), (2, 1.0)])
def test_shifted_cube_in_mm_along_each_axis(axis, expected):
    # Two voxels apart along z (8 mm), y (1.5 mm) or x (0.5 mm).
    bounds = [(2, 6), (3, 9), (4, 12)]
    moved = [tuple(v + 2 * (n == axis) for v in bound) for n, bound in enumerate(bounds)]
    spacing = (8.0, 1.5, 0.5)
    distances = surface_distances(surface_of(box(*bounds), spacing), surface_of(box(*moved), spacing))
    assert distances.hausdorff == pytest.approx(expected)
    assert 0 < distances.mean < expected


def test_mean_and_deviation_by_hand():
    # Slabs so wide that their rims hardly count, bottoms together, tops 2 mm apart: half of the area at 0, half at 2 mm.
    shape = (12, 500, 500)
    thin, thick = box((3, 5), (1, 499), (1, 499), shape=shape), box((3, 7), (1, 499), (1, 499), shape=shape)
    distances = surface_distances(surface_of(thin, (1, 1, 1)), surface_of(thick, (1, 1, 1)))
    assert distances.mean == pytest.approx(1, abs=0.02)
    assert distances.standard_deviation == pytest.approx(1, abs=0.02)
    assert (distances.hausdorff, distances.hd95) == (pytest.approx(2), pytest.approx(2))


def test_outlier_moves_hausdorff_but_not_its_95th_percentile():
    reference = box((3, 9), (4, 14), (4, 14))
    prediction = reference | box((5, 6), (8, 9), (20, 21))
    distances = surface_distances(surface_of(reference, (1, 1, 1)), surface_of(prediction, (1, 1, 1)))
    # The voxel's far elements are at x = 20 + 1/6, the cube's face at 13.5 with elements 1/3 aside in both other directions.
    assert distances.hausdorff == pytest.approx(math.sqrt((6 + 2 / 3) ** 2 + 2 / 9))
    assert distances.hd95 == 0


@pytest.mark.parametrize(
    ("spacing_zyx", "shape"), [((1.0, 1.0, 1.0), (40, 40, 40)), ((3.0, 1.0, 1.0), (14, 41, 40)), ((8.0, 1.3, 1.3), (7, 31, 31))]
)
def test_concentric_balls_and_symmetry(spacing_zyx, shape):
    small, large = (surface_of(ball(radius, spacing_zyx, shape), spacing_zyx) for radius in (15, 18))
    distances = surface_distances(small, large)
    assert distances.mean == pytest.approx(3, rel=0.05)
    assert astuple(distances) == pytest.approx(astuple(surface_distances(large, small)))


def test_hausdorff_is_within_a_voxel_of_simpleitk():
    """SimpleITK measures from voxel centre to voxel centre, so that the two may differ by the size of a voxel."""
    spacing_zyx, shape = (3.0, 1.0, 1.5), (20, 60, 40)
    reference = ball(12, spacing_zyx, shape)
    prediction = np.roll(ball(17, spacing_zyx, shape), (2, -4, 3), axis=(0, 1, 2))
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (reference, prediction)]
    for image in images:
        image.SetSpacing(spacing_zyx[::-1])
    measures = sitk.HausdorffDistanceImageFilter()
    measures.Execute(*images)
    own = surface_distances(surface_of(reference, spacing_zyx), surface_of(prediction, spacing_zyx)).hausdorff
    assert own == pytest.approx(measures.GetHausdorffDistance(), abs=np.linalg.norm(spacing_zyx))


def test_a_single_voxel_has_a_surface():
    voxel = surface_of(box((5, 6), (5, 6), (5, 6)), (1, 1, 1))
    # The octahedron through the middles of its faces' normals: 8 triangles of side √½.
    assert (len(voxel.areas), voxel.areas.sum()) == (8, pytest.approx(8 * math.sqrt(3) / 4 * 0.5))


# Empty masks


def test_label_in_neither_is_undefined_and_says_so():
    table = LabelTable((Label(1, "femur", (255, 0, 0)),))
    row = only_row(evaluate(labelmap(np.zeros(SHAPE)), labelmap(np.zeros(SHAPE)), table))
    assert row["name"] == "femur"
    assert [row[key] for key in ("dice", "jaccard", "precision", "recall", *DISTANCES)] == [None] * 8
    assert row["reason"]


@pytest.mark.parametrize(
    ("role", "undefined", "zero"), [("missed", "precision", "recall"), ("invented", "recall", "precision")]
)
def test_label_in_one_only_scores_zero(role, undefined, zero):
    drawn, empty = labelmap(box((2, 4), (2, 4), (2, 4))), labelmap(np.zeros(SHAPE))
    result = evaluate(drawn, empty) if role == "missed" else evaluate(empty, drawn)
    row = only_row(result)
    assert (row["dice"], row["jaccard"], row[zero], row[undefined]) == (0, 0, 0, None)
    assert row["volumetric_overlap_error"] == row["coefficient_of_variation"] == 1
    assert [row[key] for key in DISTANCES] == [None] * 4
    assert row["reason"]
    assert result["summary"][f"labels_{role}"] == ["label 1"]
    assert result["summary"]["dice_mean"] == 0
    assert dice(drawn.array > 0, empty.array > 0) == 0


# Whole label maps


def test_every_label_is_measured_and_named():
    reference, prediction = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    reference[2:6, 2:6, 2:6], prediction[2:6, 2:6, 2:6] = 1, 1
    reference[8:10, 2:6, 2:6], prediction[8:10, 2:6, 4:8] = 3, 3
    prediction[0, 0, 0] = 9
    table = LabelTable((Label(1, "heart", (1, 2, 3)), Label(3, "liver", (3, 2, 1)), Label(4, "spleen", (9, 9, 9))))
    result = evaluate(labelmap(reference, (1, 1, 2)), labelmap(prediction, (1, 1, 2)), table)
    rows = {row["name"]: row for row in result["labels"]}
    assert [row["value"] for row in result["labels"]] == [1, 3, 4, 9]
    assert (rows["heart"]["dice"], rows["heart"]["hausdorff_mm"], rows["heart"]["reference_volume_ml"]) == (1, 0, 0.128)
    assert (rows["liver"]["dice"], rows["liver"]["hausdorff_mm"]) == (0.5, 2)
    assert rows["spleen"]["dice"] is None
    assert rows["label 9"]["dice"] == 0
    assert result["foreground"]["reference_voxels"] == 96
    assert result["foreground"]["dice"] == pytest.approx(2 * 80 / (96 + 97))
    assert result["summary"]["dice_mean"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_cropping_to_a_label_changes_nothing():
    random = np.random.default_rng(4)
    reference, prediction = (random.integers(0, 4, (2, 8, 9, 10))).astype(np.int32)
    rows = evaluate(labelmap(reference), labelmap(prediction))["labels"]
    for row in rows:
        whole = [surface_of(array == row["value"], (1, 1, 1)) for array in (reference, prediction)]
        assert row["surface_distance_mean_mm"] == pytest.approx(surface_distances(*whole).mean)


def test_only_labelled_slices_leaves_the_others_out():
    # Slices across x, of the largest spacing; the reference draws slices 4, 5, 6, 8 and the prediction all of them.
    reference, prediction = np.zeros(SHAPE), np.zeros(SHAPE)
    for index in (4, 5, 6, 8):
        reference[2:8, 4:12, index] = 1
    prediction[2:8, 4:12, :] = 1
    maps = labelmap(reference, (9, 1, 1)), labelmap(prediction, (9, 1, 1))
    result = evaluate(*maps, only_labelled_slices=True)
    row = only_row(result)
    assert (result["slice_axis"], result["slices_compared"], result["slices_left_out"]) == ("x", 4, 20)
    assert (row["dice"], row["hausdorff_mm"], row["prediction_voxels"]) == (1, 0, 4 * 48)
    whole = only_row(evaluate(*maps))
    assert (whole["dice"], whole["prediction_voxels"]) == (pytest.approx(2 * 192 / (192 + 24 * 48)), 24 * 48)
    assert whole["hausdorff_mm"] == 15 * 9


def test_open_ends_do_not_flatter_the_distance():
    """Contours 2 mm apart all round are 2 mm apart, whatever number of slices; a lid at either end would say less."""
    shape = (3, 60, 60)
    reference, prediction = np.zeros(shape), np.zeros(shape)
    reference[:, 20:40, 20:40], prediction[:, 18:42, 18:42] = 1, 1
    row = only_row(evaluate(labelmap(reference, (1, 1, 8)), labelmap(prediction, (1, 1, 8)), only_labelled_slices=True))
    assert row["surface_distance_mean_mm"] == pytest.approx(2, abs=0.1)


def test_only_labelled_slices_of_an_empty_reference_is_refused():
    with pytest.raises(InputError, match="no label in any slice"):
        evaluate(labelmap(np.zeros(SHAPE)), labelmap(np.ones(SHAPE)), only_labelled_slices=True)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"spacing": (1, 1, 1.5)}, "spacings 1 × 1 × 1 and 1 × 1 × 1.5 mm"),
        ({"origin": (0, 3, 4)}, "first voxels 5 mm apart"),
        ({"direction": (-1, 0, 0, 0, -1, 0, 0, 0, 1)}, "axes up to 180° apart"),
    ],
)
def test_another_grid_is_refused_with_what_differs(other, words):
    with pytest.raises(InputError, match=words):
        evaluate(labelmap(np.ones(SHAPE)), labelmap(np.ones(SHAPE), **other))


def test_another_size_is_refused():
    with pytest.raises(InputError, match="sizes 24 × 20 × 12 and 23 × 20 × 12 voxels"):
        evaluate(labelmap(np.ones(SHAPE)), labelmap(np.ones(SHAPE)[:, :, 1:]))


def test_an_image_in_place_of_a_label_map_is_refused():
    geometry = Geometry(SHAPE[::-1])
    image = LabelMap(np.full(SHAPE, -1000, np.int16), geometry)
    with pytest.raises(InputError, match="prediction holds values from -1000"):
        evaluate(LabelMap(np.ones(SHAPE, np.int16), geometry), image)


# Over cases


def test_detection_and_groups_by_hand():
    def row(name, score, reference=10, prediction=10):
        return {"name": name, "dice": score, "reference_voxels": reference, "prediction_voxels": prediction}

    rows = [
        row("L1", 0.8),
        row("L2", 0.6),
        row("L3", 0.0),
        row("rib 1", 0.0),
        row("rib 2", 0.0, reference=0),
        row("hand", None, 0, 0),
    ]
    assert detection_ratio(rows) == 2 / 4
    figures = group_figures(rows, {"spine": ["L1", "L2", "L3"], "ribs": ["rib 1", "rib 2"], "hands": ["hand"]})
    assert figures["spine"]["detection_ratio"] == pytest.approx(2 / 3)
    assert figures["spine"]["dice"].median == pytest.approx(0.7)
    assert (figures["ribs"]["detection_ratio"], figures["ribs"]["dice"]) == (0, None)
    assert figures["hands"]["detection_ratio"] is None


def test_spread_counts_what_it_leaves_out():
    figures = spread([2.0, None, 4.0, 9.0], "hd95_mm")
    assert (figures.count, figures.undefined, figures.mean, figures.median, figures.worst) == (3, 1, 5, 4, 9)
    assert figures.standard_deviation == pytest.approx(math.sqrt(13))
    assert spread([0.9, 0.7], "dice").worst == 0.7
    assert spread([None], "dice") is None
