from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.image import imread

from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.model_card import Normalisation, Preprocessing, read_card
from MedSegDLLib.pictures import (
    MOST_TILES,
    millilitres,
    notes_of,
    overlay,
    shown_slices,
    slice_position,
    window_of,
    write_picture,
)
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.views import View, view_of
from Testing.engine.grids import GRIDS, rotation
from Testing.models import write_bright_model

HEART = LabelTable((Label(1, "Ventricle", (255, 0, 0)), Label(2, "Atrium", (0, 0, 255))))


def with_axes(*columns: tuple[float, float, float], spacing: tuple = (1.0, 1.0, 5.0)) -> Geometry:
    """A grid whose i, j and k axes point to `columns` in LPS."""
    return Geometry((6, 5, 4), spacing, (0, 0, 0), tuple(np.array(columns, float).T.ravel()))


@pytest.mark.parametrize(
    ("geometry", "sides"),
    [
        (with_axes((1, 0, 0), (0, 1, 0), (0, 0, 1)), ("R", "L", "A", "P")),  # axial
        (with_axes((-1, 0, 0), (0, -1, 0), (0, 0, 1)), ("R", "L", "A", "P")),  # axial, stored the other way round
        (with_axes((0, 1, 0), (1, 0, 0), (0, 0, -1)), ("R", "L", "A", "P")),  # axial, stored transposed
        (with_axes((1, 0, 0), (0, 0, -1), (0, 1, 0)), ("R", "L", "H", "F")),  # coronal
        (with_axes((0, 1, 0), (0, 0, -1), (-1, 0, 0)), ("A", "P", "H", "F")),  # sagittal
        (with_axes((0, 0, 1), (0, -1, 0), (1, 0, 0)), ("A", "P", "H", "F")),  # sagittal, stored on its side
    ],
)
def test_planes_are_shown_as_radiologists_expect(geometry: Geometry, sides: tuple[str, ...]):
    view = view_of(geometry)
    assert view.across == 2 and view.sides(geometry) == sides


def test_short_axis_of_the_heart_has_both_letters():
    near = np.array([[0.7, 0.02, -0.71], [0.66, 0.36, 0.66], [0.27, -0.93, 0.24]])  # columns: i, j, k
    left, _, right = np.linalg.svd(near)
    geometry = Geometry((6, 5, 4), (1.0, 1.0, 5.0), (0, 0, 0), tuple((left @ right).ravel()))
    assert view_of(geometry).sides(geometry) == ("RA", "LP", "HA", "FP")


@pytest.mark.parametrize("name", GRIDS)
def test_the_sides_named_are_those_shown(name: str):
    """Walking to the right or down on paper goes to where the letters say, on any grid."""
    geometry = GRIDS[name]
    view = view_of(geometry)
    k, j, i = np.indices(geometry.shape_zyx)
    points = geometry.index_to_physical(np.stack([i, j, k], axis=-1))
    shown = np.stack([view.slice_of(points[..., axis], 0) for axis in range(3)], axis=-1)
    _, right, _, bottom = view.sides(geometry)
    for step, letters in ((shown[0, 1] - shown[0, 0], right), (shown[1, 0] - shown[0, 0], bottom)):
        axis, sign = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}[letters[0]]
        assert np.abs(step).argmax() == axis and np.sign(step[axis]) == sign


def test_near_isotropic_volumes_are_cut_axially():
    assert view_of(with_axes((0, 1, 0), (0, 0, -1), (-1, 0, 0), spacing=(1.0, 1.0, 1.1))).across == 1
    assert view_of(with_axes((0, 1, 0), (0, 0, -1), (-1, 0, 0), spacing=(1.0, 1.0, 2.0))).across == 2


def test_slices_that_matter():
    occupied = np.zeros(20, bool)
    occupied[5:9] = True
    assert shown_slices(occupied) == [4, 5, 6, 7, 8, 9]
    assert shown_slices(np.ones(3, bool)) == [0, 1, 2]
    many = shown_slices(np.ones(100, bool))
    assert len(many) == MOST_TILES and many[0] == 0 and many[-1] == 99 and np.ptp(np.diff(many)) <= 1
    assert shown_slices(np.zeros(30, bool), most=4) == [0, 10, 19, 29]


def test_position_along_the_normal_is_measured_from_the_scanners_origin():
    geometry = Geometry((6, 5, 4), (1, 1, 5), (100.0, 50.0, -12.5))
    assert slice_position(geometry, 2, 0) == "F 12.5 mm" and slice_position(geometry, 2, 3) == "H 2.5 mm"
    turned = Geometry((6, 5, 4), (1, 1, 5), (0, 0, 30.0), tuple(rotation(180, 0, 0).ravel()))
    assert slice_position(turned, 2, 1) == "H 25.0 mm"


@pytest.mark.parametrize(("ml", "text"), [(0.01234, "0.012 ml"), (9.6, "9.60 ml"), (125.22, "125.2 ml"), (1306.8, "1307 ml")])
def test_volumes_as_people_read_them(ml: float, text: str):
    assert millilitres(ml) == text


def test_window_is_the_cards_or_soft_tissue_for_ct_or_percentiles(tmp_path: Path):
    card = read_card(write_bright_model(tmp_path, "mr"))
    assert window_of(card) is None
    assert window_of(read_card(write_bright_model(tmp_path, "ct", modality="CT"))) == (-160, 240)
    bones = Preprocessing("LPS", (1.0, 1.0, 1.0), Normalisation("window", window=(-200.0, 1300.0)))
    assert window_of(read_card(write_bright_model(tmp_path, "bones", preprocessing=bones))) == (-200, 1300)


def test_only_the_cards_own_sentences_are_quoted(tmp_path: Path):
    sentences = ("Children.", "It is not for diagnostic use.")
    assert notes_of(read_card(write_bright_model(tmp_path, "a", not_for=sentences))) == sentences[1:]
    assert notes_of(read_card(write_bright_model(tmp_path, "b", not_for=("Children.",)))) == ()


def picture(spacing: tuple[float, float, float] = (1.0, 2.0, 8.0)) -> tuple[Image, Segmentation]:
    """40 × 30 × 5 voxels; the ventricle fills rows 10…14 and columns 20…29 of slices 1…2, the atrium the columns beside."""
    geometry = Geometry((40, 30, 5), spacing)
    labels = np.zeros(geometry.shape_zyx, np.uint8)
    labels[1:3, 10:15, 20:30] = 1
    labels[1:3, 10:15, 30:34] = 2
    grey = np.random.default_rng(0).normal(100, 10, (1, *geometry.shape_zyx))
    return Image(grey, geometry), Segmentation(LabelMap(labels, geometry), HEART)


def test_proportions_are_those_of_the_patient():
    figure = overlay(*picture(), "case")
    for axes in figure.axes:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert axes.get_aspect() == 1
        assert (right - left) / (bottom - top) == pytest.approx(40 * 1.0 / (30 * 2.0))


def test_edges_lie_round_the_segment_in_its_colour_and_do_not_cover_the_neighbours():
    figure = overlay(*picture(), "case")
    tile = figure.axes[1]  # slice 1, after one of margin
    _, coloured = (item for item in tile.collections if isinstance(item, LineCollection))
    ventricle, atrium = (path.vertices for path in coloured.get_paths())
    np.testing.assert_allclose(coloured.get_colors()[:, :3], [[1, 0, 0], [0, 0, 1]])
    # Voxel faces of columns 20…29 are at 19.5 and 29.5 mm, of rows 10…14 at 19 and 29 mm; edges lie 0.2 voxels inside.
    np.testing.assert_allclose(ventricle.min(axis=0), (19.5 + 0.2, 19 + 0.4), atol=1e-6)
    np.testing.assert_allclose(ventricle.max(axis=0), (29.5 - 0.2, 29 - 0.4), atol=1e-6)
    assert ventricle[:, 0].max() < 29.5 < atrium[:, 0].min()


def test_the_page_says_what_a_reader_needs():
    figure = overlay(*picture(), "case · model", ("Not for diagnostic use.",))
    page = [text.get_text() for text in figure.texts]
    assert page == ["case · model", "Not for diagnostic use.", "Ventricle  1.60 ml", "Atrium  0.640 ml"]
    tile = [text.get_text() for text in figure.axes[0].texts]
    assert tile == ["R", "L", "A", "P", "1/5\nH 0.0 mm", "10 mm"]
    assert len(figure.axes) == 4


def test_scale_bar_is_as_long_as_it_says():
    bar = overlay(*picture(), "case").axes[0].lines[0]
    assert np.ptp(bar.get_xdata()) == 10


def test_absent_labels_are_named_and_an_empty_segmentation_is_shown(tmp_path: Path):
    image, segmentation = picture()
    empty = Segmentation(LabelMap(np.zeros_like(segmentation.labelmap.array), image.geometry), HEART)
    figure = overlay(image, empty, "case")
    assert "Not found: Ventricle, Atrium" in [text.get_text() for text in figure.texts]
    write_picture(figure, tmp_path / "page.png")
    assert imread(tmp_path / "page.png").std() > 0.02


def test_constant_images_and_names_with_dollars_can_be_drawn(tmp_path: Path):
    image, segmentation = picture()
    write_picture(overlay(Image(np.zeros_like(image.array), image.geometry), segmentation, "a$b$_{c"), tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 1000


def test_a_slice_is_turned_as_its_view_says():
    volume = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    turned = View(across=0, right=2, down=1, right_flipped=True, down_flipped=False).slice_of(volume, 3)
    np.testing.assert_array_equal(turned, volume[::-1, :, 3].T)
