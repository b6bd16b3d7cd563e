"""Light and dark, by the colours of Slicer's own two styles, on Qt's style Fusion."""

from __future__ import annotations

from PySide6 import QtGui, QtWidgets

_ROLE = QtGui.QPalette.ColorRole
_DARK = {
    _ROLE.Window: "#353535", _ROLE.WindowText: "#ffffff", _ROLE.Base: "#2a2a2a", _ROLE.AlternateBase: "#424242",
    _ROLE.ToolTipBase: "#353535", _ROLE.ToolTipText: "#ffffff", _ROLE.Text: "#ffffff", _ROLE.Button: "#353535",
    _ROLE.ButtonText: "#ffffff", _ROLE.BrightText: "#ff0000", _ROLE.Link: "#2a82da", _ROLE.Highlight: "#2a82da",
    _ROLE.HighlightedText: "#ffffff", _ROLE.PlaceholderText: "#a0a0a0",
}  # fmt: skip
_LIGHT = {
    _ROLE.Window: "#efefef", _ROLE.WindowText: "#000000", _ROLE.Base: "#ffffff", _ROLE.AlternateBase: "#f7f7f7",
    _ROLE.ToolTipBase: "#ffffdc", _ROLE.ToolTipText: "#000000", _ROLE.Text: "#000000", _ROLE.Button: "#efefef",
    _ROLE.ButtonText: "#000000", _ROLE.BrightText: "#ffffff", _ROLE.Link: "#0000ff", _ROLE.Highlight: "#308cc6",
    _ROLE.HighlightedText: "#ffffff", _ROLE.PlaceholderText: "#808080",
}  # fmt: skip
_GREY = (_ROLE.WindowText, _ROLE.Text, _ROLE.ButtonText)


def apply(dark: bool) -> None:
    app = QtWidgets.QApplication.instance()
    app.setStyle("Fusion")
    colours, grey = (_DARK, "#808080") if dark else (_LIGHT, "#a0a0a0")
    palette = QtGui.QPalette(QtGui.QColor(colours[_ROLE.Button]), QtGui.QColor(colours[_ROLE.Window]))
    for role, colour in colours.items():
        palette.setColor(role, QtGui.QColor(colour))
    for role in _GREY:
        palette.setColor(QtGui.QPalette.ColorGroup.Disabled, role, QtGui.QColor(grey))
    app.setPalette(palette)
