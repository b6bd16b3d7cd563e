"""What a person should know of a model before it is applied: a line at a glance, the whole card on demand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from slicer.i18n import tr as _

from MedSegDLLib.model_card import ModelCard, Quality
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
    """Modality, anatomy, how good on patients that it never saw; one or two lines of plain text."""
    return " · ".join((card.modality, card.anatomy, _quality(card)))


def htmlOf(card: ModelCard) -> str:
    """The card for a rich-text label. Every text of it is escaped: a card comes from whoever made the model."""
    training = card.training
    trained = _("{data} ({kind}; {patients} patients, {cases} cases)").format(
        data=escape(training.data), kind=escape(training.data_kind), patients=training.patients, cases=training.cases
    )
    parts = (
        ("", escape(card.description)),
        (_("For"), escape(card.intended_use)),
        (_("Not for"), _list(card.not_for)),
        (_("Trained on"), trained),
        (_("Never trained on"), escape(", ".join(training.held_out))),
        (_("Measured"), _measured(card.quality)),
        (_("Licence"), escape(card.licence)),
        (_("Please cite"), escape(card.citation)),
        (_("Identifier"), f"<code>{card.id}</code>"),
    )
    return "".join(f"<p>{f'<b>{title}</b><br>' if title else ''}{text}</p>" for title, text in parts if text)


def _quality(card: ModelCard) -> str:
    """The first Dice of the card with its worst case, because means hide those."""
    dice = next((row for row in card.quality if row.metric == "dice"), None)
    if dice is None:
        return _("quality not measured")
    return _("Dice {mean:.2f}, worst {worst:.2f}, on {cases} cases it never saw").format(
        mean=dice.mean, worst=dice.worst, cases=dice.cases
    )


def _measured(quality: Sequence[Quality]) -> str:
    if not quality:
        return _("Nobody has measured how good it is.")
    return _list(
        _("{label}: {metric} {mean:.3g} ± {deviation:.2g}, worst {worst:.3g}, {cases} cases. {data}").format(
            label=row.label,
            metric=row.metric,
            mean=row.mean,
            deviation=row.standard_deviation,
            worst=row.worst,
            cases=row.cases,
            data=row.data,
        )
        for row in quality
    )


def _list(sentences: Sequence[str]) -> str:
    rows = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul style="margin-left: 12px; -qt-list-indent: 0;">{rows}</ul>' if rows else ""
