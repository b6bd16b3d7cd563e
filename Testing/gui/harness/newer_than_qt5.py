"""Names that PySide6 has and Slicer 5.10's Qt 5.15 has not, or has otherwise: refused, so that the panels run on both.

Found by comparing PyQt5 5.15.11 (its classes and their meta objects) with PySide6 6.9.3, for the classes that panels use. A
property here may be a method in Qt 5, as a layout's contentsMargins is: then neither way of writing it runs on both.
"""

from __future__ import annotations

_NAMES = {
    "QAbstractItemView": "updateThreshold setUpdateThreshold itemDelegateForIndex",
    "QAction": "associatedObjects checkableChanged enabledChanged visibleChanged resetEnabled",
    "QCheckBox": "checkStateChanged",
    "QColor": "fromString isValidColorName toTuple",
    "QComboBox": "LabelDrawingMode UseDelegate UseStyle labelDrawingMode setLabelDrawingMode",
    "QFont": "setFeature setVariableAxis legacyWeight setLegacyWeight ContextFontMerging PreferTypoLineMetrics Tag",
    "QFormLayout": "isRowVisible setRowVisible",
    "QHeaderView": "sectionsClickable sectionsMovable sortIndicatorClearable setSortIndicatorClearable",
    "QIcon": "ThemeIcon",
    "QImage": "flip flipped flipInPlace mirror colorTransformed convertedTo rgbSwap deviceIndependentSize",
    "QLayout": "contentsMargins unsetContentsMargins totalMinimumHeightForWidth",
    "QMessageBox": "Option options setOption setOptions testOption DontUseNativeDialog",
    "QPalette": "Accent accent",
    "QPixmap": "deviceIndependentSize",
    "QPoint": "toPointF toTuple",
    "QRect": "span toRectF",
    "QShortcut": "keys setKeys",
    "QSize": "toSizeF toTuple",
    "QStackedWidget": "widgetAdded",
    "QTimer": "id intervalAsDuration remainingTimeAsDuration",
    "QWidget": "accessibleIdentifier setAccessibleIdentifier setScreen",
    "Qt": "ColorScheme",
}
_SETS = {name: frozenset(names.split()) for name, names in _NAMES.items()}


def isNewer(pySideClass: type, name: str) -> bool:
    """Whether a class, or one that it inherits, has this name only since Qt 6."""
    return any(name in _SETS.get(parent.__name__, ()) for parent in pySideClass.__mro__)
