"""The parts of MedSegDLTrain's panel, one job a file. Widgets only: what they show and start is in MedSegDLTrainScene."""
