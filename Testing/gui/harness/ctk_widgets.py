"""Stand-ins for CTK's widgets: the properties, slots and signals of their headers that the two modules need, nothing else."""

from __future__ import annotations

import enum

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

_WANTED = "visibilityToParent"  # CTK's name of the property in which a child keeps whether the program wants it to be seen


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A button that shows and hides what lies in it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, *arguments) -> None:
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        super().__init__(*arguments[1:] if text else arguments)
        self._collapsed, self._height = False, self.maximumHeight()
        self._showing = False  # while what is shown or hidden comes from here, not from the program
        self.setCheckable(True)
        self.setChecked(True)
        self.setText(text)
        self.setContentsMargins(0, self._buttonHeight(), 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        self.setBackgroundRole(QtGui.QPalette.Window)
        self.toggled.connect(lambda checked: self._collapse(not checked))

    def _isCollapsed(self) -> bool:
        return self._collapsed

    def _setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _isCollapsed, _setCollapsed, notify=contentsCollapsed)

    def _collapse(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        if collapsed:
            self._height = self.maximumHeight()
            self.setMaximumHeight(self.sizeHint().height())
        else:
            self.setMaximumHeight(self._height)
        self._showOrHideAll()
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    def _showOrHide(self, child: QtWidgets.QWidget) -> None:
        """A child that the program hid stays hidden; one that it showed is shown once this is open."""
        if not self.testAttribute(QtCore.Qt.WA_WState_Created):
            return
        wanted = child.property(_WANTED) is not False
        visible = wanted and not self._collapsed
        self._showing = True
        if child.testAttribute(QtCore.Qt.WA_WState_Created) or not visible:
            child.setVisible(visible)
        self._showing = False
        if wanted:
            child.setAttribute(QtCore.Qt.WA_WState_ExplicitShowHide, False)

    def _showOrHideAll(self) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                self._showOrHide(child)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        child = event.child()
        if event.added() and isinstance(child, QtWidgets.QWidget):
            if child.testAttribute(QtCore.Qt.WA_WState_ExplicitShowHide) and child.testAttribute(QtCore.Qt.WA_WState_Hidden):
                child.setProperty(_WANTED, False)
            child.installEventFilter(self)
            self._showOrHide(child)
        super().childEvent(event)

    def eventFilter(self, child: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Remember what the program wants of a child; hide again what it shows while this is collapsed."""
        if not self._showing and event.type() == QtCore.QEvent.ShowToParent:
            child.setProperty(_WANTED, True)
            self._showOrHide(child)
        elif not self._showing and event.type() == QtCore.QEvent.HideToParent:
            child.setProperty(_WANTED, False)
        return super().eventFilter(child, event)

    def setVisible(self, visible: bool) -> None:
        """What lies in it is first shown or hidden when it has a window."""
        had_window = self.testAttribute(QtCore.Qt.WA_WState_Created)
        super().setVisible(visible)
        if not had_window and self.testAttribute(QtCore.Qt.WA_WState_Created):
            self._showOrHideAll()

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < self._buttonHeight()

    def _option(self) -> QtWidgets.QStyleOptionButton:
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.state |= QtWidgets.QStyle.State_Sunken if self.isDown() else QtWidgets.QStyle.State_Raised
        return option

    def _buttonHeight(self) -> int:
        option = self._option()
        text = self.fontMetrics().size(QtCore.Qt.TextShowMnemonic, self.text() or "XXXX")
        return self.style().sizeFromContents(QtWidgets.QStyle.CT_PushButton, option, text, self).height()

    def _buttonSize(self) -> QtCore.QSize:
        return QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text()) + 40, self._buttonHeight())

    def sizeHint(self) -> QtCore.QSize:
        collapsed = self._buttonSize() + QtCore.QSize(0, 14)  # CTK: collapsedHeight
        return collapsed if self._collapsed or self.layout() is None else self.layout().totalSizeHint().expandedTo(collapsed)

    def minimumSizeHint(self) -> QtCore.QSize:
        if self._collapsed:
            return self.sizeHint()
        return self._buttonSize() if self.layout() is None else self.layout().totalMinimumSize().expandedTo(self._buttonSize())

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter, option, style = QtGui.QPainter(self), self._option(), self.style()
        option.rect.setHeight(self._buttonHeight())
        style.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option, painter, self)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        size = style.pixelMetric(QtWidgets.QStyle.PM_IndicatorWidth, option, self)
        arrow.rect = QtCore.QRect((self._buttonHeight() - size) // 2, (self._buttonHeight() - size) // 2, size, size)
        down, right = QtWidgets.QStyle.PE_IndicatorArrowDown, QtWidgets.QStyle.PE_IndicatorArrowRight
        style.drawPrimitive(right if self._collapsed else down, arrow, painter, self)
        text = option.rect.adjusted(self._buttonHeight() + 4, 0, 0, 0)
        flags = QtCore.Qt.AlignLeft | QtCore.Qt.AlignVCenter | QtCore.Qt.TextShowMnemonic
        style.drawItemText(painter, text, flags, self.palette(), self.isEnabled(), self.text(), QtGui.QPalette.ButtonText)


class ctkPathLineEdit(QtWidgets.QWidget):
    """A line for a path, with a button that asks for it in a file dialog."""

    class Filter(enum.IntFlag):
        Dirs, Files, Drives, NoSymLinks, Readable, Writable, Executable, Hidden, NoDotAndDotDot = (
            1, 2, 4, 8, 16, 32, 64, 256, 4096
        )  # fmt: skip

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters, self._nameFilters, self._label, self._key = int(self.Filter.Dirs | self.Filter.Files), [], "", ""
        self._combo = QtWidgets.QComboBox(self, editable=True)
        self._combo.setInsertPolicy(QtWidgets.QComboBox.NoInsert)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Fixed)
        self._button = QtWidgets.QToolButton(self, text="...")
        layout = QtWidgets.QHBoxLayout(self, spacing=2)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        layout.addWidget(self._button)
        self.setFocusProxy(self._combo)
        self._valid = False
        self._combo.editTextChanged.connect(self._onText)
        self._button.clicked.connect(self.browse)

    def _onText(self, path: str) -> None:
        """An empty path is no valid input (its pattern is ".+"), and only valid input is said to have changed."""
        was, self._valid = self._valid, bool(path)
        if path:
            self.currentPathChanged.emit(path)
        if was != self._valid:
            self.validInputChanged.emit(self._valid)

    def _currentPath(self) -> str:
        return self._combo.currentText()

    @Slot(str)
    def setCurrentPath(self, path: str) -> None:
        self._combo.setCurrentText(path)

    currentPath = Property(str, _currentPath, setCurrentPath, notify=currentPathChanged)

    def _getFilters(self) -> int:
        return self._filters

    def _setFilters(self, filters: int) -> None:
        self._filters = int(filters)

    filters = Property(int, _getFilters, _setFilters)

    def _getNameFilters(self) -> list[str]:
        return self._nameFilters

    def _setNameFilters(self, filters: list[str]) -> None:
        self._nameFilters = list(filters)

    nameFilters = Property("QStringList", _getNameFilters, _setNameFilters)

    def _getLabel(self) -> str:
        return self._label

    def _setLabel(self, label: str) -> None:
        self._label = label

    label = Property(str, _getLabel, _setLabel)

    def _getKey(self) -> str:
        return self._key

    def _setKey(self, key: str) -> None:
        self._key = key

    settingKey = Property(str, _getKey, _setKey)

    def _browseShown(self) -> bool:
        return not self._button.isHidden()

    showBrowseButton = Property(bool, _browseShown, lambda self, shown: self._button.setVisible(shown))

    @Slot()
    def addCurrentPathToHistory(self) -> None:
        """The history of the settings is left out."""

    @Slot()
    def browse(self) -> None:
        from . import dialogs

        if not self._filters & self.Filter.Files:
            path = dialogs.chooseFolder(self._label)
        else:
            path = dialogs.chooseFile(self._label, writing=bool(self._filters & self.Filter.Writable))
        if path:
            self.setCurrentPath(path)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a spin box that show one number."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    decimalsChanged = Signal(int)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal, self)
        self._spin = QtWidgets.QDoubleSpinBox(self, maximum=99.0)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spin)
        self.setFocusProxy(self._spin)
        self._spin.valueChanged.connect(self._onSpin)
        self._slider.valueChanged.connect(self._onSlider)
        self._fit()

    def _fit(self) -> None:
        """One step of the slider is one single step of the number."""
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, round((self._spin.maximum() - self._spin.minimum()) / self._spin.singleStep()))
        self._slider.setValue(self._position(self._spin.value()))
        self._slider.blockSignals(blocked)

    def _position(self, value: float) -> int:
        return round((value - self._spin.minimum()) / self._spin.singleStep())

    def _onSpin(self, value: float) -> None:
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(self._position(value))
        self._slider.blockSignals(blocked)
        self.valueChanged.emit(value)

    def _onSlider(self, position: int) -> None:
        self._spin.setValue(self._spin.minimum() + position * self._spin.singleStep())

    @Slot(float)
    def setValue(self, value: float) -> None:
        self._spin.setValue(value)

    @Slot(int)
    def setDecimals(self, decimals: int) -> None:
        self._spin.setDecimals(decimals)
        self.decimalsChanged.emit(decimals)

    @Slot()
    def reset(self) -> None:
        self.setValue(0.0)

    def _setMinimum(self, value: float) -> None:
        self._spin.setMinimum(value)
        self._fit()

    def _setMaximum(self, value: float) -> None:
        self._spin.setMaximum(value)
        self._fit()

    def _setSingleStep(self, step: float) -> None:
        self._spin.setSingleStep(step)
        self._fit()

    value = Property(float, lambda self: self._spin.value(), setValue)
    decimals = Property(int, lambda self: self._spin.decimals(), setDecimals, notify=decimalsChanged)
    minimum = Property(float, lambda self: self._spin.minimum(), _setMinimum)
    maximum = Property(float, lambda self: self._spin.maximum(), _setMaximum)
    singleStep = Property(float, lambda self: self._spin.singleStep(), _setSingleStep)
    suffix = Property(str, lambda self: self._spin.suffix(), lambda self, text: self._spin.setSuffix(text))
    prefix = Property(str, lambda self: self._spin.prefix(), lambda self, text: self._spin.setPrefix(text))


class ctkComboBox(QtWidgets.QComboBox):
    """Shows a default text while no item is current (Qt's own placeholder would change what becomes current)."""

    defaultText = ""

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter, option = QtWidgets.QStylePainter(self), QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        if self.currentIndex() == -1:
            option.currentText = self.defaultText
        painter.drawComplexControl(QtWidgets.QStyle.CC_ComboBox, option)
        painter.drawControl(QtWidgets.QStyle.CE_ComboBoxLabel, option)


class ctkMessageBox(QtWidgets.QMessageBox):
    """slicer.util's message box; the box "Don't show again" is left out."""


CLASSES = (ctkCollapsibleButton, ctkPathLineEdit, ctkSliderWidget, ctkMessageBox)
