"""What a person does: click, type, drag, choose; and waiting with Qt's events running."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtTest, QtWidgets

from . import failures
from .wrappers import unwrap


def process_events(seconds: float = 0.0) -> None:
    """Let Qt's events and timers run; raises what a slot raised meanwhile."""
    end = time.monotonic() + seconds
    while True:
        QtWidgets.QApplication.processEvents(QtCore.QEventLoop.AllEvents, 20)
        QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)
        if time.monotonic() >= end:
            break
        time.sleep(0.002)
    failures.raise_first()


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Let events run until `condition`; TimeoutError when it does not come in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(
                f"After {seconds} seconds this was still not so: {getattr(condition, '__qualname__', condition)}"
            )
        process_events(0.01)


def _reachable(widget: Any) -> QtWidgets.QWidget:
    inner = unwrap(widget)
    if not inner.isVisible() or not inner.isEnabled():
        why = "hidden" if not inner.isVisible() else "disabled"
        raise AssertionError(f"{type(inner).__name__} '{inner.objectName()}' cannot be used: it is {why}")
    return inner


def click(widget: Any) -> None:
    """Press and release the left button on a visible, enabled widget."""
    inner = _reachable(widget)
    place = QtCore.QPoint(inner.width() // 2, inner.height() // 2)
    if isinstance(inner, QtWidgets.QAbstractButton):  # where it reacts: the sign of a check box, the head of a collapsible one
        inside = [p for p in (place, QtCore.QPoint(10, inner.height() // 2), QtCore.QPoint(10, 8)) if inner.hitButton(p)]
        place = inside[0] if inside else place
    QtTest.QTest.mouseClick(inner, QtCore.Qt.LeftButton, pos=place)
    process_events()


def click_item(tree: Any, item: Any, column: int = 0) -> None:
    """Click an item of a tree, list or table; on its check box, where it has one."""
    view, inner = _reachable(tree), unwrap(item)
    view.scrollToItem(inner)
    rectangle = view.visualItemRect(inner)
    place = rectangle.center() if inner.data(*_check(inner, column)) is None else rectangle.topLeft() + QtCore.QPoint(10, 8)
    QtTest.QTest.mouseClick(view.viewport(), QtCore.Qt.LeftButton, pos=place)
    process_events()


def _check(item: Any, column: int) -> tuple:
    role = QtCore.Qt.CheckStateRole
    return (column, role) if isinstance(item, QtWidgets.QTreeWidgetItem) else (role,)


def type_text(widget: Any, text: str, clear: bool = True) -> None:
    """Type into a widget, after removing what it holds."""
    inner = _reachable(widget)
    inner.setFocus()
    if clear and hasattr(inner, "selectAll"):
        inner.selectAll()
    QtTest.QTest.keyClicks(inner.focusProxy() or inner, text)
    process_events()


def key(widget: Any, name: str) -> None:
    """Press a key, with modifiers as in a menu: "Return", "Ctrl+A", "Alt+P" (which holds a button down for 0.1 s: wait)."""
    QtTest.QTest.keySequence(_reachable(widget), name)
    process_events()


def drag_slider(widget: Any, value: float) -> None:
    """Drag a slider's handle until it shows `value`, or the nearest value that the mouse reaches."""
    inner = _reachable(widget)
    slider = inner if isinstance(inner, QtWidgets.QSlider) else inner.findChild(QtWidgets.QSlider)
    inside = value if slider is inner else inner._position(value)
    start, end = _handle(slider, slider.value()), _handle(slider, round(inside))
    QtTest.QTest.mousePress(slider, QtCore.Qt.LeftButton, pos=start)
    for part in (0.5, 1.0):
        QtTest.QTest.mouseMove(slider, start + (end - start) * part)
    QtTest.QTest.mouseRelease(slider, QtCore.Qt.LeftButton, pos=end)
    process_events()


def _handle(slider: QtWidgets.QSlider, value: int) -> QtCore.QPoint:
    option = QtWidgets.QStyleOptionSlider()
    slider.initStyleOption(option)
    option.sliderPosition = option.sliderValue = value
    control, part = QtWidgets.QStyle.CC_Slider, QtWidgets.QStyle.SC_SliderHandle
    return slider.style().subControlRect(control, option, part, slider).center()


def choose(combo: Any, text: str) -> None:
    """Choose the item `text` of a combo box, as a person does in its list."""
    inner = _reachable(combo)
    box = inner if isinstance(inner, QtWidgets.QComboBox) else inner.findChild(QtWidgets.QComboBox)
    if box is not inner and hasattr(inner, "act") and inner.act(text):  # an action of a qMRMLNodeComboBox
        process_events()
        return
    index = box.findText(text)
    if index < 0:
        raise AssertionError(f"'{text}' is not offered; offered are {[box.itemText(i) for i in range(box.count())]}")
    if not box.model().flags(box.model().index(index, box.modelColumn())) & QtCore.Qt.ItemIsEnabled:
        raise AssertionError(f"'{text}' cannot be chosen: it is disabled")
    box.setCurrentIndex(index)
    box.activated.emit(index)
    process_events()
