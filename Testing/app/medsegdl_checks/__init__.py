"""What only the application can show of MedSegDL. NOT YET RUN: no Slicer application was at hand when this was written."""
