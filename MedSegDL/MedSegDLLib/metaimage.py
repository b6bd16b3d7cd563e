"""The header of a MetaImage file (.mha), for who writes the voxels behind it a part at a time (light)."""

from __future__ import annotations

import numpy as np

from MedSegDLLib.geometry import Geometry

_TYPES = {"u1": "UCHAR", "i1": "CHAR", "u2": "USHORT", "i2": "SHORT", "u4": "UINT", "i4": "INT"}
_TYPES |= {"u8": "ULONG_LONG", "i8": "LONG_LONG", "f4": "FLOAT", "f8": "DOUBLE"}


def metaimage_header(geometry: Geometry, voxel_type: np.dtype) -> bytes:
    """What stands before the voxels of a grey image or label map: these follow in C order (Z, Y, X) and native byte order.

    Numbers keep all their digits. Raises KeyError for a type that MetaImage has not, such as bool.
    """
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": str(not np.little_endian),
        "CompressedData": "False",
        "TransformMatrix": _text(geometry.axes.T.ravel()),  # one axis after the other
        "Offset": _text(geometry.origin),
        "ElementSpacing": _text(geometry.spacing),
        "DimSize": " ".join(str(int(length)) for length in geometry.size),
        "ElementType": f"MET_{_TYPES[voxel_type.str[1:]]}",
        "ElementDataFile": "LOCAL",
    }
    return "".join(f"{key} = {value}\n" for key, value in fields.items()).encode("ascii")


def _text(values: np.ndarray | tuple[float, ...]) -> str:
    return " ".join(repr(float(value)) for value in values)
