"""What a person should know of a model before it is applied: a line at a glance, the whole card on demand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from slicer.i18n import tr as _

from MedSegDLLib.model_card import ModelCard, Quality, chose_the_weights
from MedSegDLPanel.notes import standOut


class ModelCardView:
    """The line below the list of models, the card behind "About this model", and the warnings."""

    def __init__(self, ui: object) -> None:
        self._ui = ui
        standOut(ui.warningLabel)
        self.show(None)

    def show(self, card: ModelCard | None) -> None:
        """A model's card, or nothing where no model is chosen."""
        ui = self._ui
        ui.glanceLabel.visible = ui.cardButton.visible = card is not None
        if card is not None:
            ui.glanceLabel.text = glanceOf(card)
            ui.cardLabel.text = htmlOf(card)

    def warn(self, sentences: Sequence[str]) -> None:
        """Why a result is to be doubted before it is there; nothing where there is no reason."""
        title = _("This volume does not look like those that the model was made for:")
        self._ui.warningLabel.text = f"<b>{title}</b><br>{'<br>'.join(map(escape, sentences))}"
        self._ui.warningLabel.visible = bool(sentences)


def glanceOf(card: ModelCard) -> str:
    """Title, modality, anatomy, and how good on which cases: a line or two of plain text."""
    return f"{card.title}: " + " · ".join((card.modality, card.anatomy, _quality(card)))


def htmlOf(card: ModelCard) -> str:
    """The card for a rich-text label. Every text of it is escaped: a card comes from whoever made the model."""
    training = card.training
    patients = _("1 patient") if training.patients == 1 else _("{number} patients").format(number=training.patients)
    trained = _("{data} ({images}; {patients}, {cases})").format(
        data=training.data.rstrip("."), images=training.images, patients=patients, cases=_cases(training.cases)
    )
    parts = (
        _paragraph("", card.description),
        _paragraph(_("For"), card.intended_use),
        _list(_("Not for"), card.not_for),
        _paragraph(_("Trained on"), trained),
        _paragraph(_("Never trained on"), ", ".join(training.held_out)),
        _list(_("Measured"), _measured(card.quality)),
        _paragraph(_("Licence"), card.licence),
        _paragraph(_("Please cite"), card.citation),
        _paragraph(_("Identifier"), card.id),
    )
    return "".join(parts)


def _quality(card: ModelCard) -> str:
    """The first Dice of the card with its worst case, because means hide those."""
    dice = next((row for row in card.quality if row.metric == "dice"), None)
    if dice is None:
        return _("quality not measured")
    figure = _("Dice {mean:.2f}").format(mean=dice.mean)
    if dice.cases > 1:
        figure = _("Dice {mean:.2f}, worst {worst:.2f}").format(mean=dice.mean, worst=dice.worst)
    if chose_the_weights(dice):
        return _("{figure} (validation cases, which chose the weights: {cases})").format(figure=figure, cases=dice.cases)
    return _("{figure} (cases not trained on: {cases})").format(figure=figure, cases=dice.cases)


def _cases(number: int) -> str:
    return _("1 case") if number == 1 else _("{number} cases").format(number=number)


def _measured(quality: Sequence[Quality]) -> list[str]:
    """A sentence for each set of data, with all that was measured on it."""
    rows: dict[tuple[str, int], dict[str, list[str]]] = {}
    for row in quality:
        rows.setdefault((row.data, row.cases), {}).setdefault(row.label, []).append(_figures(row))
    if not rows:
        return [_("Nobody has measured how good it is.")]
    return [
        _("{rows}. {cases}: {data}").format(rows=_byLabel(told), cases=_cases(cases), data=data)
        for (data, cases), told in rows.items()
    ]


def _byLabel(told: dict[str, list[str]]) -> str:
    return "; ".join(_("{label}: {figures}").format(label=label, figures="; ".join(told[label])) for label in told)


def _figures(row: Quality) -> str:
    """Mean, spread and worst case of a metric, with its unit: Dice to hundredths, distances to tenths of a millimetre."""
    metric = {
        "dice": _("Dice"),
        "hd95_mm": _("95 % Hausdorff distance"),
        "surface_distance_mean_mm": _("mean surface distance"),
    }.get(row.metric, row.metric)
    digits, unit = (1, _(" mm")) if row.metric.endswith("_mm") else (2, "")
    mean, deviation, worst = (f"{value:.{digits}f}" for value in (row.mean, row.standard_deviation, row.worst))
    if row.cases == 1:
        return _("{metric} {mean}{unit}").format(metric=metric, mean=mean, unit=unit)
    return _("{metric} {mean} ± {deviation}{unit}, worst {worst}{unit}").format(
        metric=metric, mean=mean, deviation=deviation, worst=worst, unit=unit
    )


def _paragraph(title: str, text: str) -> str:
    heading = f"<b>{escape(title)}</b><br>" if title else ""
    return f"<p>{heading}{escape(text)}</p>" if text else ""


def _list(title: str, sentences: Sequence[str]) -> str:
    rows = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    style = "margin-top: 0; margin-left: 14px; -qt-list-indent: 0;"
    return f'<p style="margin-bottom: 0;"><b>{escape(title)}</b></p><ul style="{style}">{rows}</ul>' if rows else ""
