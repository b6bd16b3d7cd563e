"""Label tables and terminology strings: by hand first, then against Slicer's own readers and writers (slicer-core)."""

import pytest

from MedSegDLLib.errors import InputError, ModelError, OutputError
from MedSegDLLib.labels import (
    Code,
    Label,
    LabelTable,
    Terminology,
    read_label_table,
    terminology_from_text,
    terminology_to_text,
    write_label_table,
)

ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
KIDNEY = Terminology(ANATOMY, Code("SCT", "64033007", "Kidney"), Code("SCT", "7771000", "Left"))
LEFT_VENTRICLE = Terminology(ANATOMY, Code("SCT", "87878005", "Left ventricle"))
CYST = Terminology(
    Code("SCT", "49755003", "Morphologically Altered Structure"),
    Code("SCT", "367643001", "Cyst"),
    None,
    Code("SCT", "64033007", "Kidney"),
    Code("SCT", "24028007", "Right"),
)
TABLE = LabelTable(
    (
        Label(7, "cyst, small", (255, 0, 128), CYST),
        Label(1, "left ventricle", (152, 55, 13), LEFT_VENTRICLE),
        Label(3, "Niere – links", (185, 102, 83), KIDNEY),
        Label(40000, "unnamed structure", (0, 0, 0)),
    )
)


def test_table_is_sorted_by_value():
    assert [label.value for label in TABLE.labels] == [1, 3, 7, 40000]


@pytest.mark.parametrize(
    "labels, complaint",
    [
        ((Label(1, "a", (0, 0, 0)), Label(1, "b", (0, 0, 0))), "has 1 twice"),
        ((Label(1, "a", (0, 0, 0)), Label(2, "a", (0, 0, 0))), "has 'a' twice"),
        ((Label(0, "background", (0, 0, 0)),), "one is 0"),
        ((Label(65536, "a", (0, 0, 0)),), "one is 65536"),
    ],
)
def test_tables_that_mean_nothing_are_refused(labels, complaint):
    with pytest.raises(ModelError, match=complaint):
        LabelTable(labels)


def test_named_keeps_the_labels_asked_for_in_order_of_value():
    assert [label.value for label in TABLE.named(["cyst, small", "left ventricle", "left ventricle"]).labels] == [1, 7]


def test_named_suggests_what_was_meant():
    with pytest.raises(InputError, match="no label 'left ventricel'; did you mean 'left ventricle'"):
        TABLE.named(["left ventricel"])


def test_csv_is_written_as_slicer_writes_it(tmp_path):
    write_label_table(LabelTable((Label(2, "a, b", (1, 2, 3), LEFT_VENTRICLE),)), tmp_path / "labels.csv")
    header, row, rest = (tmp_path / "labels.csv").read_text(encoding="utf-8").split("\n")
    assert header.startswith('"LabelValue","Name","Color_R","Color_G","Color_B","Color_A","Category_CodingScheme",')
    assert row == (
        '2,"a, b",1,2,3,255,"SCT","123037004","Anatomical Structure","SCT","87878005","Left ventricle",' + ",".join(['""'] * 9)
    )
    assert rest == ""


def test_csv_round_trip(tmp_path):
    write_label_table(TABLE, tmp_path / "labels.csv")
    assert read_label_table(tmp_path / "labels.csv") == TABLE


def test_csv_needs_no_terminology_and_may_name_the_background(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbfLabelValue,Name,Color_R,Color_G,Color_B\r\n0,background,0,0,0\r\n2,heart,1,2,3\r\n")
    assert read_label_table(path) == LabelTable((Label(2, "heart", (1, 2, 3)),))


HEADER = "LabelValue,Name,Color_R,Color_G,Color_B"
TYPE = "Type_CodingScheme,Type_CodeValue,Type_CodeMeaning"


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "lacks the columns LabelValue"),
        ("LabelValue;Name;Color_R;Color_G;Color_B\n1;a;0;0;0\n", "lacks the columns .* with commas"),
        (f"{HEADER},Type_Codevalue\n1,a,0,0,0,1\n", "unknown or repeated columns: Type_Codevalue"),
        (f"{HEADER},Name\n1,a,0,0,0,b\n", "unknown or repeated columns: Name"),
        (f"{HEADER}\n1,a,0,0\n", "line 2: the line has more or fewer cells"),
        (f"{HEADER}\n1,a,0,0,0,0\n", "line 2: the line has more or fewer cells"),
        (f"{HEADER}\n1,a,0,0,256\n", "Color_B must be a whole number from 0 to 255, but is '256'"),
        (f"{HEADER}\n1,a,0.5,0,0\n", "Color_R must be a whole number"),
        (f"{HEADER}\n-1,a,0,0,0\n", "LabelValue must be a whole number"),
        (f"{HEADER}\n{'9' * 5000},a,0,0,0\n", "LabelValue must be a whole number"),
        (f"{HEADER}\n²,a,0,0,0\n", "LabelValue must be a whole number"),
        (f"{HEADER}\n1, ,0,0,0\n", "has no name"),
        (f"{HEADER}\n1,\x1b[31mred,0,0,0\n", "control characters"),
        (f"{HEADER}\n1,a,0,0,0\n1,b,0,0,0\n", "has 1 twice"),
        (f"{HEADER},{TYPE}\n1,a,0,0,0,SCT,1,Heart\n", "both a category and a type"),
        (f"{HEADER},{TYPE}\n1,a,0,0,0,SCT,1,\n", "Type needs coding scheme, code value and code meaning"),
        (f"{HEADER},{TYPE}\n1,a,0,0,0,SCT,1,a~b\n", "Type needs coding scheme"),
        (f'{HEADER}\n1,"a,0,0,0\n', "is not a CSV file"),
    ],
)
def test_bad_tables_are_refused_with_a_sentence(tmp_path, text, complaint):
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=complaint):
        read_label_table(tmp_path / "labels.csv")


def test_tables_that_are_no_text_or_absent_are_refused(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="is not a CSV file in UTF-8"):
        read_label_table(tmp_path / "labels.csv")
    with pytest.raises(ModelError, match="cannot be read"):
        read_label_table(tmp_path / "absent.csv")


@pytest.mark.parametrize("name", ['the "big" one', "two\nlines"])
def test_names_that_slicer_cannot_read_are_not_written(tmp_path, name):
    with pytest.raises(OutputError, match="take out quotation marks and line breaks"):
        write_label_table(LabelTable((Label(1, name, (0, 0, 0)),)), tmp_path / "labels.csv")
    assert list(tmp_path.iterdir()) == []


def test_terminology_text_by_hand():
    assert terminology_to_text(KIDNEY) == (
        "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure~SCT^64033007^Kidney"
        "~SCT^7771000^Left~Anatomic codes - DICOM master list~^^~^^"
    )


@pytest.mark.parametrize("terminology", [LEFT_VENTRICLE, KIDNEY, CYST])
def test_terminology_round_trip(terminology):
    assert terminology_from_text(terminology_to_text(terminology)) == terminology


@pytest.mark.parametrize("text", ["", "~", "a~^^~^^~^^~~^^~^^", "a~SCT^1^x~^^~^^~~^^~^^", "a~SCT^1~SCT^2^y~^^~~^^~^^", "a~b~c"])
def test_text_without_category_and_type_is_no_terminology(text):
    assert terminology_from_text(text) is None


# Slicer's own code


@pytest.fixture(scope="module")
def slicer_core():
    return pytest.importorskip("slicer_core", reason="slicer-core is not installed")


def _stored(slicer_core, path):
    scene = slicer_core.vtkMRMLScene()
    colours, storage = slicer_core.vtkMRMLColorTableNode(), slicer_core.vtkMRMLColorTableStorageNode()
    scene.AddNode(colours)
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    return scene, colours, storage


def _coded(entry):
    values = (entry.GetCodingSchemeDesignator(), entry.GetCodeValue(), entry.GetCodeMeaning()) if entry else ()
    return Code(*values) if any(values) else None


def _terminology_of(colours, value):
    kind = (colours.GetTerminologyCategory, colours.GetTerminologyType, colours.GetTerminologyTypeModifier)
    place = (colours.GetTerminologyRegion, colours.GetTerminologyRegionModifier)
    codes = [_coded(get(value)) for get in kind + place]
    return Terminology(*codes) if codes[0] else None


def test_slicer_loads_our_file_with_names_colours_and_terminology(slicer_core, tmp_path):
    write_label_table(TABLE, tmp_path / "labels.csv")
    _scene, colours, storage = _stored(slicer_core, tmp_path / "labels.csv")
    assert storage.ReadData(colours) == 1
    assert [value for value in range(colours.GetNumberOfColors()) if colours.GetColorDefined(value)] == [1, 3, 7, 40000]
    for label in TABLE.labels:
        rgba = [0.0] * 4
        colours.GetColor(label.value, rgba)
        assert colours.GetColorName(label.value) == label.name
        assert [round(255 * part) for part in rgba] == [*label.colour, 255]
        assert _terminology_of(colours, label.value) == label.terminology


def test_we_read_what_slicer_writes(slicer_core, tmp_path):
    _scene, colours, storage = _stored(slicer_core, tmp_path / "slicer.csv")
    colours.SetTypeToUser()
    colours.SetNumberOfColors(8)
    for label in TABLE.labels[:3]:
        colours.SetColor(label.value, label.name, *(part / 255 for part in label.colour), 1.0)
        colours.SetTerminologyFromString(label.value, terminology_to_text(label.terminology))
    assert storage.WriteData(colours) == 1
    assert read_label_table(tmp_path / "slicer.csv") == LabelTable(TABLE.labels[:3])


@pytest.mark.parametrize("terminology", [LEFT_VENTRICLE, KIDNEY, CYST])
def test_slicer_reads_our_terminology_text_and_writes_the_same(slicer_core, terminology):
    logic, entry = slicer_core.vtkSlicerTerminologiesModuleLogic(), slicer_core.vtkSlicerTerminologyEntry()
    text = terminology_to_text(terminology)
    assert logic.DeserializeTerminologyEntry(text, entry)
    objects = (entry.GetCategoryObject(), entry.GetTypeObject(), entry.GetTypeModifierObject())
    objects += (entry.GetRegionObject(), entry.GetRegionModifierObject())
    assert Terminology(*map(_coded, objects)) == terminology
    assert logic.SerializeTerminologyEntry(entry) == text


def test_we_read_the_text_of_a_colour_node_which_ends_in_one_tilde_more(slicer_core):
    colours = slicer_core.vtkMRMLColorTableNode()
    colours.SetTypeToUser()
    colours.SetNumberOfColors(2)
    colours.SetColor(1, "cyst", 1.0, 1.0, 1.0, 1.0)
    assert colours.SetTerminologyFromString(1, terminology_to_text(CYST))
    assert terminology_from_text(colours.GetTerminologyAsString(1)) == CYST
