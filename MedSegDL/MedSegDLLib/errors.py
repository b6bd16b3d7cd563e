"""Errors that a person reads: what was given, what was expected, what to do."""


class MedSegDLError(Exception):
    """Base of every error that MedSegDL raises on purpose; its text is one or two whole sentences."""

    exit_code = 2


class InputError(MedSegDLError):
    """A file, image, label map, region or option cannot be used as given."""


class ModelError(MedSegDLError):
    """A model card, label table, weight file or model archive is wrong, missing or unsafe."""


class OutputError(MedSegDLError):
    """A result cannot be written where it was asked for; nothing was left half-written."""


class DeviceError(MedSegDLError):
    """The computing device failed, is absent, or has too little memory."""

    exit_code = 3


class Cancelled(MedSegDLError):
    """The person or the calling program asked to stop; no result was written."""

    exit_code = 130
