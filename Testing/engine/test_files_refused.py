"""Every kind of image file that must be refused is, with a sentence that names what is wrong with it."""

import contextlib
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_image, read_labelmap, write_image
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from Testing.engine.scan_files import ALL_SUFFIXES, GRID, PIXDIM, QFORM_CODE, SROW, an_array, itk_file, nifti, with_header_text


def truncated(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


@ALL_SUFFIXES
@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.95])
def test_truncated_files(tmp_path, suffix, share):
    write_image(Image(np.random.default_rng(0).normal(size=(1, 5, 6, 7)).astype(np.float32), GRID), tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match=rf"a{suffix}.*(cut short|is empty)"):
        read_image(truncated(tmp_path / f"a{suffix}", share))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_wrong_byte_in_compressed_voxels(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 2**15, (20, 32, 32)).astype(np.int16)
    path = itk_file(tmp_path / f"a{suffix}", noise, compressed=True)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("content", [b"hello, this is text\n" * 60, b"\0" * 700, bytes(range(256)) * 4, b"\x1f\x8b" * 300])
def test_files_of_another_kind(tmp_path, suffix, content):
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=r"name says|damaged"):
        read_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("wrong", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_wrong_suffix(tmp_path, wrong):
    right = ".nrrd" if ".nii" in wrong else ".nii"
    write_image(Image(an_array(), GRID), tmp_path / f"a{right}")
    (tmp_path / f"a{right}").rename(tmp_path / f"a{wrong}")
    with pytest.raises(InputError, match="name says"):
        read_image(tmp_path / f"a{wrong}")


def test_missing_empty_and_unknown_files(tmp_path):
    with pytest.raises(InputError, match=r"missing\.nii does not exist: check the name"):
        read_image(tmp_path / "missing.nii")
    (tmp_path / "empty.nii").touch()
    with pytest.raises(InputError, match=r"empty\.nii is empty"):
        read_image(tmp_path / "empty.nii")
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"a\.png is of no known kind; give \.nii\.gz, .* or a folder of DICOM files"):
        read_image(tmp_path / "a.png")


@ALL_SUFFIXES
@pytest.mark.parametrize(
    ("array", "is_vector", "words"),
    [
        (np.zeros((6, 7), np.int16), False, "picture without a third dimension"),
        (np.zeros((5, 6, 7, 3), np.uint8), True, "is a colour image"),
        (np.zeros((5, 6, 7, 4), np.uint8), True, "is a colour image"),
    ],
    ids=["2D", "RGB", "RGBA"],
)
def test_what_is_no_volume_of_grey_values(tmp_path, suffix, array, is_vector, words):
    with pytest.raises(InputError, match=words):
        read_image(itk_file(tmp_path / f"a{suffix}", array, is_vector))


def test_nifti_colour_and_complex_types(tmp_path):
    with pytest.raises(InputError, match="is a colour image"):
        read_image(nifti(tmp_path / "a.nii", (70, "h", (128,))))
    with pytest.raises(InputError, match="complex"):
        read_image(itk_file(tmp_path / "a.nii", np.zeros((5, 6, 7), np.complex64)))


@ALL_SUFFIXES
def test_values_that_are_not_finite_are_counted(tmp_path, suffix):
    array = an_array(np.float32)
    array[0, 0, 0, :4] = np.nan, np.inf, -np.inf, np.nan
    write_image(Image(array, GRID), tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match="has 4 values that are NaN, infinite or too large"):
        read_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("spacing", [0.0, np.nan, np.inf, -8.5])
def test_nifti_spacing_that_itk_would_replace_in_silence(tmp_path, spacing):
    with pytest.raises(InputError, match=r"gives voxels of 1\.25 × 0\.7 × .* mm: correct the header's spacing"):
        read_image(nifti(tmp_path / "a.nii", (PIXDIM + 12, "f", (spacing,))))


@pytest.mark.parametrize("spacing", ["0", "nan", "-8.5"])
def test_metaimage_spacing_that_itk_would_replace_in_silence(tmp_path, spacing):
    path = with_header_text(itk_file(tmp_path / "a.mha", an_array()[0]), "Spacing = 1 1 1", f"Spacing = 1 1 {spacing}")
    with pytest.raises(InputError, match=rf"gives voxels of 1 × 1 × {spacing} mm"):
        read_image(path)


@pytest.mark.parametrize(("directions", "words"), [("(0,0,0)", "1 × 1 × 0 mm"), ("(0,0,nan)", "1 × 1 × nan mm")])
def test_nrrd_spacing(tmp_path, directions, words):
    path = with_header_text(itk_file(tmp_path / "a.nrrd", an_array()[0]), "(0,0,1)", directions)
    with pytest.raises(InputError, match=words):
        read_image(path)


def test_nrrd_with_spacings_only(tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), an_array()[0].transpose(2, 1, 0), {"spacings": [1.5, 2, 3]})
    assert read_image(tmp_path / "a.nrrd").geometry.spacing == (1.5, 2, 3)
    with pytest.raises(InputError, match=r"1\.5 × 2 × nan mm"):
        read_image(with_header_text(tmp_path / "a.nrrd", "1.5 2 3", "1.5 2 nan"))


@pytest.mark.parametrize(
    ("spacing", "words"), [((1, 1, 101), "too large .* micrometres"), ((0.001, 0.001, 0.01), "too small .* metres")]
)
@ALL_SUFFIXES
def test_spacing_in_another_unit(tmp_path, suffix, spacing, words):
    write_image(Image(an_array(), Geometry((7, 6, 5), spacing)), tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match=words):
        read_image(tmp_path / f"a{suffix}")


def test_axes_that_are_not_perpendicular(tmp_path):
    sheared = GRID.affine_ijk_to_ras
    sheared[:3, 2] += 0.1 * sheared[:3, 0]
    change = (SROW, "12f", tuple(sheared[:3].ravel()))
    with pytest.raises(InputError, match=r"a\.nii has axes that are not perpendicular \(by up to .* voxels\): resample"):
        read_image(nifti(tmp_path / "a.nii", change, (QFORM_CODE, "h", (0,))))
    path = with_header_text(itk_file(tmp_path / "a.nrrd", an_array()[0]), "(0,0,1)", "(0,0.2,1)")
    with pytest.raises(InputError, match=r"a\.nrrd: The volume's axes are not perpendicular"):
        read_image(path)
    path = with_header_text(itk_file(tmp_path / "a.mha", an_array()[0]), "Matrix = 1 0 0 0 1", "Matrix = 0 0 0 0 1")
    with pytest.raises(InputError, match=r"a\.mha has axes that do not span a volume"):
        read_image(path)


@pytest.mark.parametrize("row", [(0, 0, 0, 0), (np.nan,) * 4])
def test_an_sform_that_spans_no_volume(tmp_path, row):
    changes = ((SROW, "12f", row * 3), (QFORM_CODE, "h", (0,)))
    with pytest.raises(InputError, match="has an sform or qform that describes no volume"):
        read_image(nifti(tmp_path / "a.nii", *changes))


@pytest.mark.parametrize("sizes", [(3, 7, 6, 0), (0, 7, 6, 5), (3, -7, 6, 5), (9, 7, 6, 5)])
def test_nifti_sizes_that_make_no_volume(tmp_path, sizes):
    with pytest.raises(InputError, match="has a damaged header: its sizes are"):
        read_image(nifti(tmp_path / "a.nii", (40, "4h", sizes)))


def test_nifti_sizes_beyond_the_file_take_no_memory(tmp_path):
    with pytest.raises(InputError, match="cut short"):
        read_image(nifti(tmp_path / "a.nii", (40, "5h", (4, 32000, 32000, 32000, 32000))))


def test_nifti_of_five_and_more_dimensions(tmp_path):
    with pytest.raises(InputError, match="has 6 dimensions"):
        read_image(nifti(tmp_path / "a.nii", (40, "8h", (6, 7, 6, 5, 1, 1, 2, 1))))


def test_nrrd_with_time_as_an_axis_of_space(tmp_path):
    header = {
        "space": "left-posterior-superior",
        "kinds": ["domain", "domain", "domain", "time"],
        "space directions": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [np.nan] * 3],
    }
    nrrd.write(str(tmp_path / "a.nrrd"), np.zeros((7, 6, 5, 2), np.int16), header)
    with pytest.raises(InputError, match="stores time as a fourth axis of space; save it as"):
        read_image(tmp_path / "a.nrrd")


def test_nothing_is_printed(tmp_path, capfd):
    """ITK and its C libraries print to stderr behind Python's back."""
    paths = [
        itk_file(tmp_path / name, np.random.default_rng(0).normal(size=(9, 9, 9))) for name in ("a.nii", "a.nrrd", "a.mha")
    ]
    packed = itk_file(tmp_path / "b.mha", np.random.default_rng(0).normal(size=(9, 9, 9)), compressed=True)
    paths += [nifti(tmp_path / "c.nii", (SROW, "12f", (np.nan,) * 12), (QFORM_CODE, "h", (0,)))]
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    for path in [*paths, packed]:
        for share in (0.9, 0.5, 0.05):
            with pytest.raises(InputError):
                read_image(truncated(path, share))
    assert capfd.readouterr() == ("", "")
    assert sitk.ProcessObject.GetGlobalWarningDisplay() == shown


@pytest.mark.parametrize("dimensions", ["-3", "93", "0", "x"])
def test_metaimage_dimensions_that_crash_itk(tmp_path, dimensions):
    path = with_header_text(itk_file(tmp_path / "a.mha", an_array()[0]), "NDims = 3", f"NDims = {dimensions}")
    with pytest.raises(InputError, match="cannot be read as MetaImage"):
        read_image(path)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
def test_any_damage_is_a_sentence_or_goes_unnoticed(tmp_path, suffix):
    path, random = tmp_path / f"a{suffix}", np.random.default_rng(5)
    write_image(Image(an_array(), GRID), path)
    content = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(content)
        for byte in random.integers(0, min(len(content), 400), 2):
            damaged[byte] = random.choice([0, 255, *b"-9n", random.integers(256)])
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            read_labelmap(path)
