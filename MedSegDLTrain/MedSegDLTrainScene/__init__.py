"""Cases, jobs and runs of MedSegDLTrainLib as nodes of Slicer's scene and as work in processes; no widgets."""
